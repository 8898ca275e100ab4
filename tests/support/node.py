"""A simulated machine of a Swarm bay, with real keys, at the real node door."""

import base64
import hashlib
import json
import secrets
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class SimulatedNode:
    """One machine: enrols with its credential, then reports step by step."""

    def __init__(self, door, credential, role, clock=time.time):
        self.node_id, self.token = credential.split(":")
        self.door, self.role, self.clock = door, role, clock
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.engine_id = secrets.token_hex(12)
        self.identity = None
        self.swarm = False
        self.labels, self.availability, self.state = {}, "active", "ready"
        self.last = 0.0
        self.alive = True  # False: it says nothing any more
        self.loses_answers = False  # of renewals
        self.kept_keys = None  # of a renewal whose answer it did not get

    def csr(self, key=None, name="node"):
        key = key or self.key
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        return built.public_bytes(serialization.Encoding.PEM).decode()

    def enrol(self, **more):
        body = self._body(self.key) | {"token": self.token}
        answer = self.door.post_json("/v1/enrol", body | more, expect_errors=True)
        if answer.status_int == 200:
            self.identity = answer.json
        return answer

    def _body(self, key):
        """In the words of the first version, as nodes that live on send them."""
        body = {"node_id": self.node_id, "identity_csr": self.csr(key)}
        if self.role == "master":
            body["server_csr"] = self.csr(ec.generate_private_key(ec.SECP256R1()))
        return body

    def signed(self, body, stamp=None, key=None):
        stamp = f"{max(self.clock(), self.last + 1e-4) if stamp is None else stamp:.6f}"
        self.last = max(self.last, float(stamp))
        raw = json.dumps(body).encode()
        signature = (key or self.key).sign(stamp.encode() + b"\n" + raw, ec.ECDSA(hashes.SHA256()))
        sent = {
            "X-Node-Id": self.node_id,
            "X-Node-Timestamp": stamp,
            "X-Node-Signature": base64.b64encode(signature).decode(),
        }
        return raw, sent

    def report(self, step, percent, state="running", stamp=None, **more):
        raw, sent = self.signed({"step": step, "percent": percent, "state": state} | more, stamp)
        return self.door.post(
            "/v1/report", raw, headers=sent, content_type="application/json", expect_errors=True
        )

    def renew(self):
        """New keys and certificates, signed for with the old key; as door.sh does it."""
        self.kept_keys = self.kept_keys or ec.generate_private_key(ec.SECP256R1())
        body = self._body(self.kept_keys)
        raw, sent = self.signed(body)
        answer = self.door.post(
            "/v1/enrol", raw, headers=sent, content_type="application/json", expect_errors=True
        )
        if answer.status_int == 200 and not self.loses_answers:
            self.key, self.kept_keys, self.identity = self.kept_keys, None, answer.json
        return answer

    def served(self):
        """What its API would show."""
        certificate, ca = self._server()
        serial = x509.load_pem_x509_certificate(certificate.encode()).serial_number
        trust = hashlib.sha256(ca.replace("\n", "").encode()).hexdigest()
        return {"server": f"{serial:X}", "trust": trust}

    def _server(self):
        return self.identity["server_cert"], self.identity["cluster_ca"]
