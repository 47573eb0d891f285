"""Sections of the nodes' board: the links between nodes, over which queues replicate."""

from __future__ import annotations

from dashboards.house import Query, Section, lines, number, states
from dashboards.looks import GREEN, GREY, ORANGE, RED
from dashboards.queries import NODE, ONE_NODE, rate

#: Command-line tools are nodes of the distribution as well, for as long as they run.
_TOOLS = 'peer!~"rabbitmqcli.*"'
_LINKS = f"{ONE_NODE},{_TOOLS}"
_NAME = "{{node}} to {{peer}}"


def _count(state: int) -> str:
    return f"sum(erlang_vm_dist_node_state{{{NODE},{_TOOLS}}} == bool {state})"


def links() -> Section:
    return Section(
        title="Links between nodes",
        panels=(
            number(
                "Links",
                "Links of each node to each other, by state. Good: nodes times their peers established (6 of "
                "three nodes), none connecting or waiting. See docs/runbooks/nodes-disconnected.md.",
                "none",
                Query(expr=_count(3), legend="established"),
                Query(expr=_count(2), legend="connecting"),
                Query(expr=_count(1), legend="waiting"),
                apart={"connecting": ((1, ORANGE),), "waiting": ((1, RED),)},
                width=6,
                height=7,
                graph=False,
            ),
            states(
                "State of links",
                "Good: established everywhere. One that is not while both nodes answer is a network "
                "partition.",
                Query(expr=f"erlang_vm_dist_node_state{{{_LINKS}}}", legend=_NAME),
                {"3": ("established", GREEN), "2": ("connecting", ORANGE), "1": ("waiting", RED)},
                width=9,
                height=7,
            ),
            states(
                "State of links' processes",
                "What the Erlang process of each link does at the moment of the scrape. Good: mostly "
                "waiting. Suspended for long is a link that cannot send as fast as it is given.",
                Query(expr=f"erlang_vm_dist_proc_status{{{_LINKS}}}", legend=f"{_NAME} {{{{type}}}}"),
                {
                    "6": ("waiting", GREEN),
                    "5": ("running", GREEN),
                    "4": ("collecting garbage", GREY),
                    "3": ("could run", GREY),
                    "2": ("suspended", ORANGE),
                    "1": ("exiting", RED),
                },
                width=9,
                height=7,
            ),
            lines(
                "Buffered for a peer",
                "Bytes between Erlang and the socket. Good: near 0. At the busy limit (128 MiB by default) "
                "whoever sends to that peer stands still: a slow or cut link.",
                "bytes",
                Query(expr=f"erlang_vm_dist_node_queue_size_bytes{{{_LINKS}}}", legend=_NAME),
                width=8,
            ),
            lines(
                "Buffered by the driver",
                "Bytes in the port driver, and that the socket has not yet taken. Good: near 0. It grows "
                "when the peer does not read.",
                "bytes",
                Query(expr=f"erlang_vm_dist_port_queue_size_bytes{{{_LINKS}}}", legend=f"{_NAME} driver"),
                Query(expr=f"erlang_vm_dist_send_pend_bytes{{{_LINKS}}}", legend=f"{_NAME} socket"),
                width=8,
            ),
            lines(
                "Messages waiting for a link's process",
                "Good: near 0. More is a link whose process gets no processor, or is suspended.",
                "short",
                Query(expr=f"erlang_vm_dist_proc_message_queue_len{{{_LINKS}}}", legend=_NAME),
                width=8,
            ),
        ),
    )


def traffic() -> Section:
    """What the links carry."""
    sent, received = (rate(f"erlang_vm_dist_{way}_bytes", _LINKS) for way in ("send", "recv"))
    packets_out, packets_in = (rate(f"erlang_vm_dist_{way}_cnt", _LINKS) for way in ("send", "recv"))
    return Section(
        title="Traffic between nodes",
        panels=(
            lines(
                "Sent to a peer",
                "Bytes per second. Good: follows the traffic, about even. Leaders send to followers, and a "
                "node sends on what its clients publish to a queue led elsewhere.",
                "Bps",
                Query(expr=sent, legend=_NAME),
            ),
            lines(
                "Received from a peer",
                "Bytes per second. Good: what the peer sends.",
                "Bps",
                Query(expr=received, legend=_NAME),
            ),
            lines(
                "Packets",
                "Packets per second to and from each peer. Good: follows the traffic.",
                "ops",
                Query(expr=packets_out, legend=f"{_NAME} sent"),
                Query(expr=packets_in, legend=f"{_NAME} received"),
            ),
            lines(
                "Size of packets",
                "Mean bytes of a packet. Good: large under load, for entries go in batches. Small ones "
                "under load cost processor.",
                "bytes",
                Query(expr=f"{sent} / ({packets_out} > 0)", legend=f"{_NAME} sent"),
                Query(expr=f"{received} / ({packets_in} > 0)", legend=f"{_NAME} received"),
            ),
            lines(
                "Memory of links",
                "Bytes of each link's process and of its port driver. Good: small and steady. It grows with "
                "what is buffered.",
                "bytes",
                Query(expr=f"erlang_vm_dist_proc_memory_bytes{{{_LINKS}}}", legend=f"{_NAME} process"),
                Query(expr=f"erlang_vm_dist_port_memory_bytes{{{_LINKS}}}", legend=f"{_NAME} driver"),
            ),
            lines(
                "Work of links",
                "Reductions per second of each link's process. Good: follows the traffic.",
                "ops",
                Query(expr=rate("erlang_vm_dist_proc_reductions", _LINKS), legend=_NAME),
            ),
        ),
    )
