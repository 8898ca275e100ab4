"""What is served without a token: the version documents."""

from typing import Any

from magnum_lite.api import versions
from magnum_lite.api.call import Answer, Call

_COLLECTIONS = (
    "clustertemplates",
    "clusters",
    "baymodels",
    "bays",
    "quotas",
    "certificates",
    "mservices",
    "stats",
    "federations",
    "credentials",
)


def root(call: Call) -> Answer:
    """The versions of the API."""
    version = {
        "id": "v1",
        "links": [{"href": f"{call.base}/v1/", "rel": "self"}],
        "status": "CURRENT",
        "max_version": versions.text(versions.MAXIMUM),
        "min_version": versions.text(versions.MINIMUM),
    }
    return Answer(
        body={
            "name": "OpenStack Magnum API",
            "description": "Magnum Lite: container infrastructure (clusters, bays) for OpenStack.",
            "versions": [version],
        }
    )


def v1(call: Call) -> Answer:
    """The collections of version 1."""
    body: dict[str, Any] = {
        "id": "v1",
        "media_types": [{"base": "application/json", "type": "application/vnd.openstack.magnum.v1+json"}],
        "links": [
            {"href": f"{call.base}/v1/", "rel": "self"},
            {
                "href": "https://docs.openstack.org/api-ref/container-infrastructure-management/",
                "rel": "describedby",
                "type": "text/html",
            },
        ],
    }
    for name in _COLLECTIONS:
        body[name] = [
            {"href": f"{call.base}/v1/{name}/", "rel": "self"},
            {"href": f"{call.base}/{name}/", "rel": "bookmark"},
        ]
    groups = "clusters/{cluster_id}/nodegroups"
    body["nodegroups"] = [
        {"href": f"{call.base}/v1/{groups}", "rel": "self"},
        {"href": f"{call.base}/{groups}", "rel": "bookmark"},
    ]
    return Answer(body=body)
