"""The cluster's own API, over TLS, where the conductor can reach it. Everything here is best effort: a bay
behind NAT has no reachable API, and its nodes' reports do instead.
"""
