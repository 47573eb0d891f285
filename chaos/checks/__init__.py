"""One check of a game day a file, found by the file's name: see `chaos.check`."""
