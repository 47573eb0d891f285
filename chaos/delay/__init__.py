"""What holds packets back, in a helper container that has joined a node's network.

It runs where there is nothing but Python and the kernel: only the standard library is imported here. Why it
is done so, and not by a proxy: docs/adr/0014-latency-by-a-queue.md.
"""
