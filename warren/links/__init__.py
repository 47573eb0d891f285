"""Links to other clusters: shovels and federation, their secrets, network, state and proof."""
