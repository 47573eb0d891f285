"""The load generator: open-loop traffic over AMQP 0-9-1 and a ledger that judges every message."""
