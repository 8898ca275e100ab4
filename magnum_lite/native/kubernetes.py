"""A bay's Kubernetes API over mutual TLS, at whichever master answers. See ``native.engine.Engine``.

Plain HTTPS: the maintained client holds tens of MiB of generated models for the dozen calls made here.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from magnum_lite.models.load import Load
from magnum_lite.native import kubernetes_load
from magnum_lite.native.engine import EngineNode, EngineRefused, EngineUnreachable
from magnum_lite.native.masters import Masters
from magnum_lite.native.tls import client_session

TAINT = "taint:"  # of a mark: taint:<key>:<effect>
_ROLE = "node-role.kubernetes.io/control-plane"
_MERGE = "application/merge-patch+json"
_FINISHED = frozenset({"Succeeded", "Failed"})
_NOT_FOUND, _TOO_MANY = 404, 429


class KubernetesEngine(Masters):
    """See `Masters`."""

    @functools.cached_property
    def _session(self) -> requests.Session:
        return client_session(self._context)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _send(self, method: str, path: str, body: Any = None, kind: str = "") -> requests.Response:
        """The answer of the first master that has one, whatever it is."""
        reasons = []
        headers = {"Content-Type": kind} if kind else {}
        for address in list(self._addresses):
            try:
                answer = self._session.request(
                    method, f"https://{address}{path}", json=body, headers=headers, timeout=self._time_limit
                )
            except requests.exceptions.RequestException as error:
                reasons.append(f"{address}: {_why(error)}")
                continue
            self._answered(address)
            return answer
        raise EngineUnreachable("; ".join(reasons) or "The bay has no master's address.")

    def _ask(self, method: str, path: str, body: Any = None, kind: str = "") -> Any:
        answer = self._send(method, path, body, kind)
        if not answer.ok:
            raise EngineRefused(f"The API refused: {_message(answer)}")
        return answer.json()

    def check(self) -> str:
        """Which of the API server's own checks fail; etcd is one of them."""
        answer = self._send("GET", "/readyz?verbose")
        if answer.ok:
            return ""
        failed = [line[3:].split(" ")[0] for line in answer.text.splitlines() if line.startswith("[-]")]
        return f"the API is not ready: {', '.join(failed[:8]) or _message(answer)}"

    def nodes(self) -> list[EngineNode]:
        """``kubectl get nodes``."""
        return [_node(raw) for raw in self._ask("GET", "/api/v1/nodes?limit=5000")["items"]]

    def set_labels(self, node_id: str, labels: Mapping[str, str | None]) -> None:
        """Labels; what begins with ``taint:`` sets a taint of that key and effect, or removes it."""
        plain = {name: value for name, value in labels.items() if not name.startswith(TAINT)}
        taints = {name.removeprefix(TAINT): value for name, value in labels.items() if name.startswith(TAINT)}
        path = f"/api/v1/nodes/{quote(node_id)}"
        change: dict[str, Any] = {"metadata": {"labels": plain}}
        if taints:
            # The version makes a change in between a conflict; the next look sets it.
            raw = self._ask("GET", path)
            change["metadata"]["resourceVersion"] = raw["metadata"]["resourceVersion"]
            change["spec"] = {"taints": _tainted(raw["spec"].get("taints") or [], taints)}
        self._ask("PATCH", path, change, _MERGE)

    def _cordon(self, node_id: str, *, closed: bool) -> None:
        change = {"spec": {"unschedulable": closed or None}}
        self._ask("PATCH", f"/api/v1/nodes/{quote(node_id)}", change, _MERGE)

    def uncordon(self, node_id: str) -> None:
        """Let the node take pods again."""
        self._cordon(node_id, closed=False)

    def drain(self, node_id: str) -> bool:
        """Cordon, and ask for the eviction of every pod that can live elsewhere; PodDisruptionBudgets say no
        for as long as they must. Pods of DaemonSets and the node's own stay.
        """
        node = next((n for n in self.nodes() if n.id == node_id), None)
        if node is None:
            return True
        if not node.draining:
            self._cordon(node_id, closed=True)
        if node.state != "ready":
            return True  # nobody there would stop them
        found = self._ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(node_id)}&limit=2000")
        left = [pod for pod in found["items"] if _movable(pod)]
        for pod in left:
            if not pod["metadata"].get("deletionTimestamp"):
                self._evict(pod)
        return not left

    def _evict(self, pod: Mapping[str, Any]) -> None:
        meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        path = f"/api/v1/namespaces/{quote(meta['namespace'])}/pods/{quote(meta['name'])}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        answer = self._send("POST", path, body)
        if not answer.ok and answer.status_code not in {_NOT_FOUND, _TOO_MANY}:
            raise EngineRefused(f"The API refused: {_message(answer)}")

    def remove(self, node_id: str) -> bool:
        """``kubectl delete node``; of etcd's members the masters' agents know."""
        answer = self._send("DELETE", f"/api/v1/nodes/{quote(node_id)}")
        if not answer.ok and answer.status_code != _NOT_FOUND:
            raise EngineRefused(f"The API refused: {_message(answer)}")
        return True

    def load(self) -> Load:
        """See `kubernetes_load.read`."""
        try:
            return kubernetes_load.read(self._found, time.time())
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise EngineRefused(f"Its answer can't be read: {type(error).__name__}.") from error

    def _found(self, path: str) -> Any:
        """None if there is no such thing."""
        answer = self._send("GET", path)
        if answer.status_code == _NOT_FOUND:
            return None
        if not answer.ok:
            raise EngineRefused(f"The API refused: {_message(answer)}")
        return answer.json()


def _node(raw: Mapping[str, Any]) -> EngineNode:
    status, meta = raw.get("status") or {}, raw["metadata"]
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready = conditions.pop("Ready", {"status": "Unknown", "message": "the kubelet has not reported"})
    well = ready["status"] == "True"
    troubles = [f"{name}: {c.get('message', '')}" for name, c in conditions.items() if c["status"] == "True"]
    labels = meta.get("labels") or {}
    return EngineNode(
        id=meta["name"],
        hostname=meta["name"],
        state="ready" if well else "down",
        reason="; ".join(troubles) if well else str(ready.get("message", ready.get("reason", ""))),
        draining=bool(raw.get("spec", {}).get("unschedulable")),
        role="master" if _ROLE in labels else "worker",
        version=(status.get("nodeInfo") or {}).get("kubeletVersion", ""),
        labels=labels,
    )


def _tainted(have: Sequence[Mapping[str, str]], changes: Mapping[str, str | None]) -> list[dict[str, str]]:
    kept = [dict(t) for t in have if f"{t['key']}:{t['effect']}" not in changes]
    for name, value in changes.items():
        key, _, effect = name.partition(":")
        if value is not None:
            kept.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return kept


def _movable(pod: Mapping[str, Any]) -> bool:
    meta = pod["metadata"]
    owners = {owner["kind"] for owner in meta.get("ownerReferences") or ()}
    mirror = "kubernetes.io/config.mirror" in (meta.get("annotations") or {})
    return not mirror and "DaemonSet" not in owners and pod.get("status", {}).get("phase") not in _FINISHED


def _message(answer: requests.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    text = told.get("message") if isinstance(told, dict) else None
    return str(text or f"HTTP {answer.status_code}")[:300]


def _why(error: BaseException) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "the TLS handshake failed; a certificate was not accepted"
        case requests.exceptions.ConnectTimeout() | requests.exceptions.ReadTimeout():
            return "no answer in time"
    return "the API server refused the client's certificate" if "alert" in str(error) else "can't be reached"
