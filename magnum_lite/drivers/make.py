"""What nodes are made from, as one short text: a node whose text is not its group's has to be replaced.

Only what an *upgrade* changes counts, not the product's own scripts: a new release of the service must not
replace anybody's nodes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from magnum_lite.drivers import assembly
from magnum_lite.models import labels as registry

_OF_TEMPLATE = (
    "docker_storage_driver",
    "volume_driver",
    "network_driver",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "insecure_registry",
    "registry_enabled",
)
_LENGTH = 32


def make_of(cluster: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """Of a cluster's row (with its ``template``) and one of its node groups: a digest in hex. Labels that
    nodes are not made from (``feeds`` of the registry) are left out.
    """
    template = cluster["template"]
    labels = assembly.labels(cluster, template)
    told = {
        "image": group["image_id"] or template["image_id"],
        "flavor": group["flavor_id"],
        "labels": {
            n: v for n, v in labels.items() if n in registry.LABELS and registry.LABELS[n].feeds == "node"
        },
        **{name: template.get(name) for name in _OF_TEMPLATE},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_LENGTH]
