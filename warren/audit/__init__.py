"""Known vulnerabilities of what the lock holds, asked of the OSV database."""
