"""A node's disk that fails: its syncs, its writes or both end with EIO, reads go on."""

from __future__ import annotations

from chaos import disk
from chaos.fault import Args, Parameter

#: By which calls fail: the bits for the library.
_CALLS = {"syncs": 2, "writes": 1, "both": 3}


def _orders(args: Args) -> tuple[int, ...]:
    return (_CALLS[str(args["calls"])],)


FAULT = disk.DiskFault(
    summary="have the node's disk fail with an I/O error; heal lets it work again",
    parameters={"calls": Parameter(default="syncs", choices=tuple(_CALLS), help="which calls fail")},
    place=range(6, 7),
    orders=_orders,
    met=lambda words: words.refused_broken,
    is_silent=False,
    ends="eio",
)
