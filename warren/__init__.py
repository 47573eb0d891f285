"""The shared floor of Warren and its front door: topology, state, cluster, results."""

__version__ = "0.1.0"
