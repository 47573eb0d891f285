"""One fault a file, named as its command: see `chaos.fault`."""
