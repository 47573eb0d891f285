"""A node's disk without room: writes that would make a file longer fail with ENOSPC.

Apart from the disk alarm, which rings before that, as long as the broker sees it coming: by default `df` goes
on showing room, as where inodes or a quota ran out, or something filled the disk between two looks.
https://www.rabbitmq.com/docs/disk-alarms
"""

from __future__ import annotations

from chaos import disk
from chaos.fault import Args, Parameter

#: By whether `df` shows it: the word for the library.
_SEEN = {"no": 1, "yes": 2}


def _orders(args: Args) -> tuple[int, ...]:
    return (round(float(args["room_bytes"])), _SEEN[str(args["seen_by_df"])])


FAULT = disk.DiskFault(
    summary="leave the node's disk no room; heal gives it back",
    parameters={
        "room_bytes": Parameter(default=0.0, high=1e15, help="by how much files may still grow"),
        "seen_by_df": Parameter(
            default="no", choices=tuple(_SEEN), help="whether df shows it, and the disk alarm rings"
        ),
    },
    place=range(4, 6),
    orders=_orders,
    met=lambda words: words.refused_full,
    is_silent=False,
    ends="enospc",
)
