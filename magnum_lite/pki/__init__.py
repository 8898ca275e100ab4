"""The clusters' certificate authorities. Stands alone: cryptography and the standard library only.

The types force the order ``authority.issue(prepare(profile, verify(csr)), serial, now)``: only
``csr.verify`` makes a `VerifiedCSR`, only ``profiles.prepare`` makes a `PreparedCertificate`, and an
`Authority` signs nothing else.
"""
