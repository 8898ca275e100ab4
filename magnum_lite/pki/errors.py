"""What can go wrong in the PKI.

::

    PKIError
    ├── InvalidCSR          it is not a CSR we can trust: form, signature, key          (requester's)
    ├── RequestRefused      a good CSR that asks for more than its profile gives        (requester's)
    ├── InvalidFacts        our own record can't become a certificate: name, SAN, time  (ours)
    ├── AuthorityError      the authority can't sign: expired, key of another, purpose  (ours)
    └── SealingError
        ├── KeyFileError    a key-encryption key's file is open to others or malformed  (operator's)
        └── EnvelopeError   an envelope is damaged, of another row, or of an unknown key

``code`` never changes once published; ``reason`` is a sentence that may be shown to a tenant: it holds no
secret, no path of ours and nothing of the library's own error texts.
"""


class PKIError(Exception):
    """Any refusal of this package; ``code`` is stable, ``reason`` is fit for a tenant."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class InvalidCSR(PKIError):
    """The text is not exactly one well-formed, self-signed CSR with a strong key."""


class RequestRefused(PKIError):
    """The CSR is sound but asks for power that its profile does not give."""


class InvalidFacts(PKIError):
    """The server's own subject, SANs or lifetime can't be put into a certificate."""


class AuthorityError(PKIError):
    """The authority can't sign this now."""


class SealingError(PKIError):
    """A secret can't be sealed or unsealed."""


class KeyFileError(SealingError):
    """A key-encryption key's file must not be used. Its reason names the file: for operators only."""


class EnvelopeError(SealingError):
    """The envelope is damaged, was moved from another row, or its key is not loaded."""
