"""What takes more than one run, or a cluster's own traffic: merge, compare, sweep, record."""
