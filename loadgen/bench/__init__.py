"""Warren's own load beside PerfTest's, alternating, on one cluster in the same minutes."""
