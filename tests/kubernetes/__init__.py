"""Real Kubernetes on this machine's cloud."""
