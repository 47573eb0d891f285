"""What the broker's own metrics leave out, read by scrape: consumer lag in seconds, membership, limits."""
