"""Roost: a layer-2 load balancer for bare-metal Kubernetes and plain Linux hosts."""

__version__ = "0.1.0"
