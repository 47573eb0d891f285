"""Everything once, from a bare machine to verdicts."""
