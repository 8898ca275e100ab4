"""Making, changing and removing bays, with the wait and with what is said when it goes wrong. Shared by
the commands and the demo.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.local.commands import credentials, docker_context, kubeconfig, output
from magnum_lite.local.commands.display import Display
from magnum_lite.local.commands.failure import Failure
from magnum_lite.local.commands.rest import Rest
from magnum_lite.local.commands.watching import Watch, is_settled, last_event

TAG = "magnum-lite-cli"
"""A baymodel that ``create`` made for one bay; it goes with the bay."""

GRACE_SECONDS = 90.0
"""What the service may take beyond a bay's create_timeout to say so."""

DELETE_SECONDS = 600.0
_LONGEST = {"resize": 3600.0, "upgrade": 12 * 3600.0}  # seconds
LOG_LINES = 12


def create(rest: Rest, body: Mapping[str, Any], *, display: Display | None, retain: bool) -> dict[str, Any]:
    """Ask for a bay; with a display, wait until it is complete. The bay, or just its uuid and name.

    On failure the cause is shown and the bay is deleted, unless it is to be retained; then Failure.
    """
    uuid = rest.post("/bays", dict(body))["uuid"]
    if display is None:
        return {"uuid": uuid, "name": body["name"]}
    watch = Watch(rest, uuid, display)
    bay = watch.until(is_settled, seconds=body["bay_create_timeout"] * 60 + GRACE_SECONDS)
    if bay is None:
        raise Failure(f"Bay {body['name']} was deleted by somebody else.")
    if bay["status"] == "CREATE_COMPLETE":
        display.done(f"Bay {bay['name']} is complete: {bay['api_address']}", watch.seconds)
        return bay
    explain(bay, watch)
    if retain:
        raise Failure(f"Bay {bay['name']} failed; it is kept.", *after_failure(bay))
    output.warn("Removing what is left of it (--retain keeps it for a look).", err=True)
    remove(rest, bay, display=display)
    raise Failure(f"Bay {bay['name']} failed and was removed.", "keep the wreck next time:  --retain")


def change(
    rest: Rest, bay: Mapping[str, Any], count: int, remove_nodes: Sequence[str], *, display: Display | None
) -> dict[str, Any]:
    """Ask for another number of workers; with a display, wait. Raises Failure."""
    body: dict[str, Any] = {"node_count": count}
    if remove_nodes:
        body["nodes_to_remove"] = list(remove_nodes)
    return _act(rest, bay, "resize", body, display=display)


def upgrade(
    rest: Rest, bay: Mapping[str, Any], body: Mapping[str, Any], *, display: Display | None
) -> dict[str, Any]:
    """Ask for another template; with a display, wait. Raises Failure."""
    return _act(rest, bay, "upgrade", body, display=display)


def _act(
    rest: Rest, bay: Mapping[str, Any], action: str, body: Mapping[str, Any], *, display: Display | None
) -> dict[str, Any]:
    marker = last_event(rest, bay["uuid"]) if display else 0
    rest.post(f"/bays/{bay['uuid']}/actions/{action}", dict(body))
    if display is None:
        return dict(bay)
    watch = Watch(rest, bay["uuid"], display, marker=marker)
    found = watch.until(is_settled, seconds=_LONGEST[action])
    if found is None:
        raise Failure(f"Bay {bay['name']} was deleted by somebody else.")
    if found["status"].endswith("_COMPLETE"):
        workers = f"{found['node_count']} worker(s)"
        done = f"has {workers}" if action == "resize" else f"is upgraded, with {workers}"
        display.done(f"Bay {found['name']} {done}", watch.seconds)
        return found
    explain(found, watch)
    raise Failure(f"Bay {found['name']}: the change failed; the bay is kept.", *after_failure(found))


def remove(rest: Rest, bay: Mapping[str, Any], *, display: Display | None) -> None:
    """Delete a bay, its credentials on this machine and its docker context; with a display, wait.

    Raises Failure when something is left.
    """
    marker = last_event(rest, bay["uuid"]) if display else 0
    rest.delete(f"/bays/{bay['uuid']}")
    credentials.forget(bay["name"], bay["uuid"])
    docker_context.forget(bay["name"], bay.get("api_address"))
    kubeconfig.forget(bay["name"], bay.get("api_address"))
    if display is not None:
        watch = Watch(rest, bay["uuid"], display, marker=marker)
        found = watch.until(lambda b: b["status"] == "DELETE_FAILED", seconds=DELETE_SECONDS)
        if found is not None:
            explain(found, watch)
            raise Failure(
                f"Bay {bay['name']} could not be deleted.",
                f"try again:  magnum-lite delete {bay['name']}",
                f"see what Heat says:  openstack stack list --tags magnum-lite-{bay['uuid']}",
            )
        display.done(f"Bay {bay['name']} is gone", watch.seconds)
        _remove_own_model(rest, bay)


def explain(bay: Mapping[str, Any], watch: Watch) -> None:
    """The cause of a failure: reason, faults by node, the last lines of their logs. What the watch has
    told as an event already is not said twice.
    """
    reason = bay["status_reason"] or "no reason given"
    texts = [f"{bay['status']}: {reason}"]
    texts += [f"{name}: {fault}" for name, fault in (bay.get("bay_faults") or {}).items()]
    for text in texts:
        if text not in watch.problems and text.partition(": ")[2] != reason:
            output.failed(output.plain(text), err=True)
    for node in watch.nodes:
        if node["state"] == "failed" and node["log"]:
            output.warn(f"last lines of {node['hostname']}, step {node['step'] or 'boot'}:", err=True)
            for line in output.plain(node["log"]).splitlines()[-LOG_LINES:]:
                output.quoted(line, err=True)


def after_failure(bay: Mapping[str, Any]) -> tuple[str, ...]:
    """What to do with a bay that failed."""
    name = bay["name"]
    return (
        f"what happened:  magnum-lite events {name}",
        f"its nodes' logs:  magnum-lite logs {name}",
        f"try again:  magnum-lite resize {name} {bay['node_count']}",
        f"remove it:  magnum-lite delete {name}",
    )


def _remove_own_model(rest: Rest, bay: Mapping[str, Any]) -> None:
    """The baymodel that ``create`` had made for this bay alone."""
    with contextlib.suppress(Failure):
        model = rest.get(f"/baymodels/{bay['baymodel_id']}")
        if model["tags"] == TAG:
            rest.delete(f"/baymodels/{model['uuid']}")  # refused while another bay uses it
