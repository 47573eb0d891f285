"""One dashboard a file; each has a function ``board()``."""
