"""Magnum Lite: container infrastructure (bays, clusters) for OpenStack, driven by Heat."""
