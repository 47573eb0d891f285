"""One collector a file, found by its name."""
