"""Stacks: the port (`stacks.Stacks`), the real Heat behind it (`heat`) and its in-memory twin (`memory`).

heatclient is imported in ``heat`` alone. Both implementations pass ``tests/contract/test_stacks.py``.
"""
