"""What holds packets back, without a kernel: the line, and the messages by which it talks to one."""

from __future__ import annotations

import errno
import itertools
import struct
from random import Random
from typing import Any

import pytest

from chaos.delay import netlink, queue, table
from chaos.delay.line import Line
from chaos.delay.netlink import attribute, attributes, message


def line(delay_s: float = 0.1, jitter_s: float = 0.0, seed: int = 1) -> Line:
    return Line(delay_s=delay_s, jitter_s=jitter_s, random=Random(seed))  # noqa: S311


def times(held: Line, flows: list[bytes], *, apart_s: float = 0.001) -> list[tuple[float, int]]:
    """When each of so many packets goes, in the order in which they go; they come ``apart_s`` apart."""
    for number, flow in enumerate(flows):
        held.take(number, flow, number * apart_s)
    gone = []
    while (at_s := held.next_s()) is not None:
        gone += [(at_s, number) for number in held.due(at_s)]
    return gone


def test_packet_is_held_for_its_delay_and_not_longer() -> None:
    held = line()
    held.take(7, b"a", 1.0)
    assert held.next_s() == pytest.approx(1.1)
    assert list(held.due(1.09)) == []
    assert list(held.due(1.11)) == [7]
    assert len(held) == 0
    assert held.next_s() is None
    assert held.facts() == {"held": 1, "mean_ms": 110.0, "longest_ms": 110.0}


def test_packets_that_are_let_go_early_have_waited_as_long_as_they_did() -> None:
    held = line()
    held.take(7, b"a", 1.0)
    held.take(8, b"a", 1.0)
    assert list(held.due(1.05, ahead_s=float("inf"))) == [7, 8]
    assert held.facts() == {"held": 2, "mean_ms": 50.0, "longest_ms": 50.0}


def test_jitter_never_lets_a_packet_overtake_one_of_its_own_flow() -> None:
    gone = times(line(jitter_s=0.05), [b"ab"[i % 2 : i % 2 + 1] for i in range(400)])
    numbers = [number for _, number in gone]
    assert numbers != sorted(numbers), "packets of two flows do overtake each other"
    for flow in (0, 1):
        own = [number for number in numbers if number % 2 == flow]
        assert own == sorted(own)


def test_jitter_is_within_its_limits_and_repeated_by_its_seed() -> None:
    flows = [bytes([i % 250, i // 250]) for i in range(1000)]
    first = times(line(jitter_s=0.05), flows)
    waited = [at_s - number * 0.001 for at_s, number in first]
    assert min(waited) >= 0.05 - 1e-9
    assert max(waited) <= 0.15 + 1e-9
    assert max(waited) - min(waited) > 0.09
    assert first == times(line(jitter_s=0.05), flows)
    assert first != times(line(jitter_s=0.05, seed=2), flows)


def test_jitter_beyond_the_delay_sends_nothing_into_the_past() -> None:
    assert all(at_s >= number * 0.001 for at_s, number in times(line(0.01, 0.5), [b"a"] * 50))


def test_flows_that_are_over_are_forgotten() -> None:
    held = line()
    for number in range(10_000):
        held.take(number, struct.pack("!I", number), number * 0.01)
    assert len(held._last) < 5_000


def ipv4(protocol: int = 6, *, options: bytes = b"") -> bytes:
    """The head of a packet from 10.0.0.1:4001 to 10.0.0.2:5671."""
    words = 5 + len(options) // 4
    head = bytes([0x40 | words, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2])
    return head + options + struct.pack("!HH", 4001, 5671) + bytes(16)


def packet(number: int, content: bytes) -> bytes:
    """As the kernel hands one over: https://docs.kernel.org names its attributes in this order."""
    head = attribute(1, struct.pack("!IHB", number, 0x0800, 1))
    return message(3, 0, head, attribute(5, netlink.be32(2)), attribute(10, content), resource=9)


def test_packet_that_comes_to_wait_is_read_with_what_names_its_flow() -> None:
    found = queue.read(packet(77, ipv4()))
    assert found is not None
    place, number, flow = found
    assert (place, number) == (9, 77)
    assert flow == b"\x06" + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack("!HH", 4001, 5671)


def test_options_of_a_header_do_not_hide_the_ports() -> None:
    assert queue.read(packet(1, ipv4(options=bytes(8)))) == queue.read(packet(1, ipv4()))


def test_other_protocol_or_version_is_another_flow_and_no_trouble() -> None:
    six = bytes([0x60, 0, 0, 0, 0, 20, 6, 64, *range(32)]) + struct.pack("!HH", 4001, 5671)
    flows = {queue.read(packet(1, content)) for content in (ipv4(), ipv4(17), six, b"")}
    assert len(flows) == 4


def test_answer_to_something_else_is_no_packet() -> None:
    assert queue.read(message(3, 2, resource=9)) is None
    assert queue.read(b"short") is None


def test_verdict_names_the_packet_and_the_queue() -> None:
    verdict = queue.accept(9, 77)
    ((kind, start, end),) = attributes(verdict)
    assert (kind, struct.unpack("!II", verdict[start:end])) == (2, (1, 77))
    assert struct.unpack_from("!H", verdict, netlink.BODY - 2) == (9,)


def split(batch: bytes) -> list[bytes]:
    found = []
    while batch:
        (size,) = struct.unpack_from("=I", batch)
        found.append(batch[:size])
        batch = batch[size + -size % 4 :]
    return found


def rules(led: table.Led, *directions: str) -> list[bytes]:
    """The messages that add rules, without those that let the loopback interface pass."""
    messages, _ = table.batch("warren_latency__x", led, directions=directions, hold=9, spent=8)
    return [each for each in split(messages) if each[4] == 6 and b"NFQUEUE" in each]


def to(place: int) -> bytes:
    """What of a rule leads packets to the queue ``place``, and past it where nobody sits there."""
    return struct.pack("=HHH", place, 1, 1)


def test_table_is_owned_so_that_it_ends_with_its_socket() -> None:
    messages, last = table.batch("warren_latency__x", table.Led(), directions=("in",), hold=9, spent=8)
    parts = split(messages)
    assert [each[4] for each in parts] == [0x10, 0, 3, 6, 6, 0x11]
    named = {kind: parts[1][start:end] for kind, start, end in attributes(parts[1])}
    assert named[1] == b"warren_latency__x\0"
    assert struct.unpack("!I", named[2])[0] & 2
    asking = [each for each in parts if struct.unpack_from("=H", each, 6)[0] & netlink.ACK]
    assert [struct.unpack_from("=I", each, 8)[0] for each in asking] == [last]


def test_every_packet_is_led_where_no_port_is_named() -> None:
    (rule,) = rules(table.Led(), "in")
    assert b"payload" not in rule
    assert to(9) in rule


def test_ports_are_looked_for_at_both_ends_and_peers_at_the_far_one() -> None:
    led = table.Led(ports=(25672, 4369), peers=("10.0.0.2", "10.0.0.3"))
    assert len([each for each in rules(led, "in", "out") if to(9) in each]) == 2 * 2 * 2 * 2
    for direction, offset in (("in", 12), ("out", 16)):
        found = [each for each in rules(led, direction) if to(9) in each]
        wanted = itertools.product((b"\x0a\0\0\x02", b"\x0a\0\0\x03"), (25672, 4369))
        for address, port in wanted:
            both = [each for each in found if address in each and struct.pack("!H", port) in each]
            assert len(both) == 2
        base = b"".join(attribute(k, netlink.be32(n)) for k, n in ((2, 1), (3, offset), (4, 4)))
        assert all(base in each for each in found)


def test_of_what_leaves_a_copy_is_held_and_the_packet_itself_is_spent() -> None:
    """A packet of a socket meets the first rule, its copy, which has none, the second."""
    spent, held = rules(table.Led(), "out")
    assert b"dup\0" in spent
    assert to(8) in spent
    socket_user = attribute(2, netlink.be32(10))
    assert socket_user in spent[: spent.index(b"dup\0")]
    assert b"dup\0" not in held
    assert to(9) in held
    assert all(b"dup\0" not in each for each in rules(table.Led(), "in"))


def test_verdict_on_what_is_spent_is_another() -> None:
    assert queue.drop(8, 77) != queue.accept(8, 77)
    ((_, start, end),) = attributes(queue.drop(8, 77))
    assert struct.unpack("!II", queue.drop(8, 77)[start:end]) == (0, 77)


class Kernel:
    """A link that answers what it is told."""

    def __init__(self, *answers: tuple[int, int]) -> None:
        self.answers = [
            struct.pack("=IHHII", 36, 2, 0, number, 0) + struct.pack("=i", code) + bytes(16)
            for number, code in answers
        ]

    def send(self, messages: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self.answers.pop(0)


def test_refusal_of_the_kernel_is_raised_with_its_reason() -> None:
    link: Any = Kernel((2, -errno.EPERM))
    with pytest.raises(OSError, match="not permitted"):
        netlink.ask(link, b"", 3)


def test_answer_is_waited_for_until_it_is_that_of_the_last() -> None:
    link: Any = Kernel((1, 0), (3, 0))
    netlink.ask(link, b"", 3)
    assert link.answers == []
