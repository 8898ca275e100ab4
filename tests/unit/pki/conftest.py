"""Makers of CSRs and certificates, through cryptography and through the real openssl."""

import datetime as dt
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from magnum_lite.pki import authority, csr, profiles

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def make_csr(*extensions, key=KEY, common_name="Your Name", organization=None, critical=False):
    """PEM of a CSR; each extension with the criticality given."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    if organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=critical)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode()


class Kit:
    """What most tests need, as attributes of one fixture."""

    now = NOW
    key = KEY
    csr = staticmethod(make_csr)

    @staticmethod
    def authority(purpose="cluster", key_type="ecdsa-p256", years=10):
        """A fresh authority and its certificate."""
        life = dt.timedelta(days=365 * years)
        pem, key = authority.create_authority(f"test {purpose} CA", purpose, NOW, life, key_type)
        return authority.Authority.load(purpose, pem, key), pem

    @staticmethod
    def prepared(profile=profiles.DOCKER_CLIENT, pem=None, common_name="alice", **more):
        """What an authority may sign."""
        if profile.server_names:
            more.setdefault("sans", ["10.0.0.5", "localhost"])
        facts = profiles.SubjectFacts(common_name)
        return profiles.prepare(profile, csr.verify(pem or make_csr()), subject_facts=facts, **more)

    @staticmethod
    def openssl(*arguments, check=True, data=None):
        """Run the openssl on this machine; its standard output and error."""
        done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
        text = (done.stdout + done.stderr).decode()
        assert not check or done.returncode == 0, text
        return text


@pytest.fixture
def kit():
    """See `Kit`."""
    return Kit
