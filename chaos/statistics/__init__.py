"""What many game days come to: repeats, the matrix of faults and profiles, and two sides compared."""
