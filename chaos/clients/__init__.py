"""Clients that misbehave on purpose: what runs inside a helper container, each within its limits."""
