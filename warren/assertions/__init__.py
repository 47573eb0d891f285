"""What must hold of a running cluster: typed assertions, each with its evidence. See docs/assertions.md."""
