"""What a cluster may do in the cloud, by an application credential of the service user in its project."""

import dataclasses
from collections.abc import Iterable, Iterator

from magnum_lite.models.stack import cluster_tag


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One call that is allowed. ``service`` is its type in the catalogue; in ``path`` ``*`` is one part and
    ``**`` any number: what clouds put before an API's own path differs.
    https://docs.openstack.org/keystone/latest/user/application_credentials.html#access-rules
    """

    service: str
    method: str
    path: str

    def to_json(self) -> dict[str, str]:
        """As Keystone takes it."""
        return dataclasses.asdict(self)


def rules(services: Iterable[str], calls: Iterable[str]) -> Iterator[Rule]:
    """``calls`` as ``GET POST /volumes``, for each of the types under which a cloud may have the service."""
    for service in services:
        for call in calls:
            *methods, path = call.split()
            yield from (Rule(service, method, f"/**{path}") for method in methods)


def credential_name(cluster_uuid: str, epoch: int) -> str:
    """Keystone takes a name only once from one user, so two conductors can't make the same one twice."""
    return f"{cluster_tag(cluster_uuid)}-{epoch}"


def cluster_of(name: str) -> str:
    """The uuid in such a name; '' for a name that is none of ours."""
    prefix = cluster_tag("")
    uuid, _, epoch = name.removeprefix(prefix).rpartition("-")
    return uuid if name.startswith(prefix) and len(uuid) == 36 and epoch.isdecimal() else ""
