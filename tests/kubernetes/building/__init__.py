"""Kubernetes and what a node of it needs, built from source by the Go toolchain."""
