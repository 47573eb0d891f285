"""Commands of daily use of one cluster."""
