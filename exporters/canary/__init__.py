"""Flights of a message from one node to another through a queue of their own, over and over."""
