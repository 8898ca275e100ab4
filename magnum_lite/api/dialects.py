"""Two words for one thing: today's clusters and the bays of 2016. Everything that differs is here
and in the ``bay=`` names of the models' fields.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from magnum_lite.models.cluster import Cluster
from magnum_lite.models.event import Event
from magnum_lite.models.fields import Resource
from magnum_lite.models.views import facts


@dataclasses.dataclass(frozen=True)
class Dialect:
    """``clusters`` and ``templates`` are collection names in URLs and bodies."""

    clusters: str
    cluster: str
    templates: str
    template: str
    words: tuple[tuple[str, str], ...] = ()
    deprecated: bool = False

    def rename(self, model: type[Resource]) -> Mapping[str, str]:
        """House name → name in this dialect, where it differs."""
        return _RENAMES.get((self.clusters, model), {})

    def load(self, model: type[Resource], body: Mapping[str, Any]) -> dict[str, Any]:
        """A body with house names. A house name that this dialect calls otherwise stays unknown."""
        rename = self.rename(model)
        back = {theirs: ours for ours, theirs in rename.items()}
        # python-magnumclient up to 3.x sends this in every template, asked or not; Docker has dropped it.
        old_default = body.get("docker_storage_driver") == "devicemapper"
        if old_default and not body.get("docker_volume_size"):
            body = {k: v for k, v in body.items() if k != "docker_storage_driver"}
        return {back.get(k, f"({k})" if k in rename else k): v for k, v in body.items()}

    def say(self, text: str) -> str:
        """A message in this dialect's words. Words only: a part of a name (``my-cluster``,
        ``cluster.json``) or of a policy rule (``cluster:create``) stays what it is.
        """
        for ours, theirs in self.words:
            text = re.sub(rf"(?<![\w.:/-]){ours}(?![\w/-]|[.:]\w)", theirs, text)
        return text


def _bay_names(model: type[Resource]) -> dict[str, str]:
    return {n: facts(i)["bay"] for n, i in model.model_fields.items() if facts(i)["bay"]}


_RENAMES: dict[tuple[str, type[Resource]], Mapping[str, str]] = {
    ("bays", m): _bay_names(m) for m in (Cluster, Event)
}

CLUSTERS = Dialect("clusters", "cluster", "clustertemplates", "clustertemplate")
BAYS = Dialect(
    "bays",
    "bay",
    "baymodels",
    "baymodel",
    words=(
        ("Cluster template(s?)", r"Baymodel\1"),
        ("cluster template(s?)", r"baymodel\1"),
        ("Cluster(s?)", r"Bay\1"),
        ("cluster(s?)", r"bay\1"),
        ("cluster_template_id", "baymodel_id"),
        ("create_timeout", "bay_create_timeout"),
    ),
    deprecated=True,
)
DIALECTS = (CLUSTERS, BAYS)
