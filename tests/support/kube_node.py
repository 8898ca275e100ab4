"""A simulated machine of a Kubernetes bay: it speaks the node door's protocol as its scripts do."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from magnum_lite.drivers.kubernetes_nodes import NAMES
from tests.support.node import SimulatedNode


class SimulatedKubeNode(SimulatedNode):
    """``told`` keeps what instructions it got."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.told, self.addons, self.inside = [], "", False
        self.webhook = False  # whether its bay takes Keystone's tokens, as its user data would say

    def _csrs(self, key):
        names = NAMES[self.role] + (("keystone-auth",) if self.webhook and self.role == "master" else ())
        keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in names} | {"identity": key}
        return {name: self.csr(keys[name]) for name in names}

    def _body(self, key):
        return {"node_id": self.node_id, "csrs": self._csrs(key)}

    def hostname(self):
        return self.identity["hostname"]

    def certificate(self, name):
        return x509.load_pem_x509_certificate(self.identity["certs"][name].encode())

    def _server(self):
        return self.identity["certs"]["server"], self.identity["cas"]["cluster"]

    def step(self, everybody):
        if self.identity is None:
            self.enrol()
            return
        if not self.inside:
            answer = self.report("kubernetes", 70)
            if answer.status_int == 200:
                self._take(answer.json)
                orders = {"init_etcd", "join_etcd"} if self.role == "master" else {"masters"}
                self.inside = bool(orders & answer.json.keys())
            return
        versions = {"kubernetes": "v1.36.3", "containerd": "containerd://2.3.7", "kernel": "6", "os": "x"}
        more = {"healthy": True, "engine_id": self.hostname(), "versions": versions}
        if self.role == "master":
            more["served"] = (
                self.served()
                | {"addons": self.addons, "applied": self.addons}
                | {"credential": self.credential()}
            )
            inside = [n for n in everybody if n.identity and n.inside]
            more["engine_nodes"] = [
                {"id": n.hostname(), "hostname": n.hostname(), "state": n.state, "role": ""}
                | {"availability": n.availability, "labels": n.labels}
                for n in inside
            ]
        answer = self.report("ready", 100, "ok", **more)
        if answer.status_int == 200:
            self._take(answer.json)
            self._obey(answer.json, everybody)
            if answer.json.get("renew"):
                self.renew()

    def credential(self):
        """The id in the file that it was given."""
        text = self.identity["secrets"].get("cloud-config", "")
        return text.partition('application-credential-id="')[2].partition('"')[0]

    def _take(self, answer):
        self.told.append(answer)
        if "addons" in answer and answer["addons"].get("credential", self.credential()) == self.credential():
            self.addons = answer["addons"]["digest"]

    def _obey(self, answer, everybody):
        for other in everybody:
            if other.identity is None:
                continue
            name = other.hostname()
            if name in answer.get("set_labels", {}):
                merged = other.labels | answer["set_labels"][name]
                other.labels = {k: v for k, v in merged.items() if v is not None}
            if name in answer.get("drain", ()):
                other.availability = "drain"
            if name in answer.get("remove", ()):
                other.inside = False
