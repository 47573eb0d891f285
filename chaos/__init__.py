"""Breaks the cluster on purpose, proves that it broke, and always puts it back."""
