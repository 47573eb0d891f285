"""Day-2 work on queues: what they hold, messages looked at, moved back and purged."""
