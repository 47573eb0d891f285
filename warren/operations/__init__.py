"""Day-2 operations, one a file, which names its command; `warren.operating.model` says what one is."""
