"""The page of one run: a single HTML file that opens from the disk and asks for nothing."""
