"""``python3 -m chaos.delay ORDER``, ORDER in JSON: see `chaos.faults.latency`. Holds packets until SIGTERM.

Says a line of JSON when packets begin to be held, and from then on each second what it has done. When it is
told to end it takes its table away, lets all that still wait go, and leaves.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from random import Random

from chaos.delay import netlink, queue, table
from chaos.delay.line import Line

#: The queue in which packets wait, and that of packets of which a copy does. Any numbers will do: nobody
#: else has queues in the node's network.
_HOLD, _SPENT = 5741, 5742
#: More wait only where a fast line is held long: 65,535 packets of 1 s are 65,535 a second.
_LONGEST = 65_535
#: For what has come and was not read yet; the kernel counts about 1 KiB for each.
_RECEIVE_BYTES = 64 << 20
_SAYS_EVERY_S = 1.0
#: The options by which a kernel is built that can do all this.
_KERNEL = "NETFILTER_NETLINK_QUEUE, NFT_COMPAT, NETFILTER_XT_TARGET_NFQUEUE and NFT_DUP_IPV4"
#: Packets due within this time go together: one turn costs more than one packet.
_GRAIN_S = 0.0002
#: Read at most so many before looking who is due.
_TURN = 256


def main(text: str) -> None:
    order = json.loads(text)
    draws = Random(order["seed"])  # noqa: S311 - to be repeated, not to be secret
    line = Line(delay_s=order["delay_ms"] / 1000, jitter_s=order["jitter_ms"] / 1000, random=draws)
    waiting, filters = netlink.connect(_RECEIVE_BYTES), netlink.connect(1 << 20)
    led = table.Led(ports=order["ports"], peers=order["peers"], spared=order["spared"])
    made = table.batch(order["table"], led, directions=order["directions"], hold=_HOLD, spent=_SPENT)
    try:
        for each in (_HOLD, _SPENT):
            netlink.ask(waiting, queue.settings(each, longest=_LONGEST), 1)
        netlink.ask(filters, *made)
    except OSError as error:
        sys.exit(f"the kernel says '{error.strerror}'; it must have {_KERNEL}")
    waiting.setblocking(False)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    _say(line)
    _hold(line, waiting, ended)
    filters.close()  # the kernel takes the table away before this returns
    while _read(line, waiting):
        pass
    _release(line, waiting, ahead_s=float("inf"))
    _say(line)


def _hold(line: Line, waiting: socket.socket, ended: list[bool]) -> None:
    says_s = time.monotonic() + _SAYS_EVERY_S
    while not ended:
        now_s = time.monotonic()
        _release(line, waiting, ahead_s=_GRAIN_S)
        if now_s >= says_s:
            _say(line)
            says_s = now_s + _SAYS_EVERY_S
        wake_s = min(says_s, line.next_s() or says_s)
        select.select([waiting], [], [], max(0.0, wake_s - time.monotonic()))
        _read(line, waiting)


def _read(line: Line, waiting: socket.socket) -> bool:
    """What has come, or a part of it: then it is true that there may be more. Of a packet whose copy waits,
    TCP learns here that it was sent."""
    spent, is_more = [], True
    for _ in range(_TURN):
        try:
            packet = waiting.recv(4096)
        except BlockingIOError:
            is_more = False
            break
        except OSError:  # ENOBUFS: what did not fit has passed at once
            continue
        found = queue.read(packet)
        if found is None:
            continue
        place, number, flow = found
        if place == _SPENT:
            spent.append(queue.drop(_SPENT, number))
        else:
            line.take(number, flow, time.monotonic())
    if spent:
        waiting.send(b"".join(spent))
    return is_more


def _release(line: Line, waiting: socket.socket, *, ahead_s: float) -> None:
    due = [queue.accept(_HOLD, number) for number in line.due(time.monotonic(), ahead_s=ahead_s)]
    for place in range(0, len(due), _TURN):
        waiting.send(b"".join(due[place : place + _TURN]))


def _say(line: Line) -> None:
    sys.stdout.write(json.dumps({**line.facts(), "waiting": len(line)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
