"""A stranger's exported definitions become a topology: read, translated, mended until the checks pass."""
