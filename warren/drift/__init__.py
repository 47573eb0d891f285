"""Drift: what a running cluster has that its topology does not say, and the reverse. See docs/drift.md."""
