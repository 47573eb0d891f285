"""Sections of the nodes' board: what a node's memory is taken by, and how allocators hold it."""

from __future__ import annotations

from dashboards.house import Column, Query, Section, lines, table
from dashboards.queries import ALLOCATORS, MEMORY, ONE_NODE, rate

#: Legend → what is summed up in it, of ``rabbitmq_memory_…_bytes``. All together are the node's whole memory.
KINDS = {
    "connections": (
        "client_connection_reader", "client_connection_writer", "client_connection_channel",
        "client_connection_other",
    ),
    "quorum queues": (
        "quorum_queue_erlang_process", "quorum_queue_dlx_erlang_process", "quorum_queue_ets_table",
    ),
    "classic queues": ("classic_queue_erlang_process", "message_index"),
    "streams": (
        "stream_erlang_process", "stream_replica_reader_erlang_process", "stream_coordinator_erlang_process",
    ),
    "binaries (messages)": ("binary_heap",),
    "metadata": (
        "modern_metadata_store", "modern_metadata_store_ets_table", "classic_metadata_store",
    ),
    "statistics": ("metrics", "management_stats_db"),
    "code and atoms": ("code_module", "atom_table"),
    "plugins": ("plugin",),
    "other": ("other_erlang_process", "other_ets_table", "other_system"),
    "held by allocators, unused": ("runtime_allocated_unused", "runtime_reserved_unallocated"),
}  # fmt: skip

_NO_CARRIER = "allocators need have no carrier of this kind"


def _kind(names: tuple[str, ...]) -> str:
    return " + ".join(f"sum(rabbitmq_memory_{name}_bytes{{{MEMORY}}})" for name in names)


def memory() -> Section:
    return Section(
        title="Memory",
        panels=(
            lines(
                "Memory against its limit",
                "Resident memory; dashed, where the memory alarm blocks all publishers. Good: far below the "
                "dashed line. See docs/runbooks/memory-alarm.md.",
                "bytes",
                Query(expr=f"rabbitmq_process_resident_memory_bytes{{{ONE_NODE}}}", legend="{{node}}"),
                Query(expr=f"rabbitmq_resident_memory_limit_bytes{{{ONE_NODE}}}", legend="{{node}} limit"),
                dashed="limit$",
            ),
            lines(
                "Memory by what it is for",
                "As the broker counts it, once a minute, over the chosen nodes. Good: the shares you know. "
                "Connections grow with channels, quorum queues with their length, binaries with messages on "
                "their way; what allocators hold unused is fragmentation.",
                "bytes",
                *(Query(expr=_kind(names), legend=legend) for legend, names in KINDS.items()),
                stacked=True,
            ),
            lines(
                "Memory by the runtime's kinds",
                "As Erlang counts it, at every scrape, over the chosen nodes. Good: steady under steady "
                "load. Processes that rise are connections and queues; binary is messages; ets is tables.",
                "bytes",
                Query(
                    expr=f'sum(erlang_vm_memory_bytes{{{ONE_NODE},kind="processes"}})',
                    legend="processes",
                ),
                Query(
                    expr=f"sum by (usage) (erlang_vm_memory_system_bytes{{{ONE_NODE}}})",
                    legend="{{usage}}",
                ),
                stacked=True,
            ),
            lines(
                "Given back by garbage collection",
                "Bytes per second. Good: follows the traffic.",
                "Bps",
                Query(expr=rate("rabbitmq_erlang_gc_reclaimed_bytes_total", ONE_NODE), legend="{{node}}"),
            ),
        ),
    )


def _sum(usage: str, kind: str = "", by: str = "alloc") -> str:
    chosen = f',kind="{kind}"' if kind else ""
    grouping = f" by ({by})" if by else ""
    return f'sum{grouping} (erlang_vm_allocators{{{ALLOCATORS},usage="{usage}"{chosen}}})'


def _over(part: str, whole: str, kind: str) -> str:
    return f"{_sum(part, kind)} / ({_sum(whole, kind)} > 0)"


def allocators() -> Section:
    """The runtime's allocators. Once a minute: they are a fifth of all that a node has to say."""
    return Section(
        title="Allocators",
        panels=(
            lines(
                "Allocated and used",
                "Carriers that the allocators hold, the blocks in use within, and the resident memory, over "
                "the chosen nodes. Good: used near allocated. A gap that stays is fragmentation; resident "
                "counts code and stacks besides, and leaves out what was never touched.",
                "bytes",
                Query(expr=_sum("carriers_size", by=""), legend="allocated"),
                Query(expr=_sum("blocks_size", by=""), legend="used"),
                Query(expr=f"sum(rabbitmq_process_resident_memory_bytes{{{ONE_NODE}}})", legend="resident"),
            ),
            lines(
                "Used of what is allocated",
                "By allocator, over the chosen nodes. Good: above half. A low share of a large allocator "
                "(see the table) is fragmentation.",
                "percentunit",
                Query(expr=f"{_sum('blocks_size')} / ({_sum('carriers_size')} > 0)", legend="{{alloc}}"),
            ),
            table(
                "By allocator",
                "One row an allocator. Sort by Allocated to find the large ones. Several blocks share a "
                "multiblock carrier, a single-block carrier holds one large block, and the pool is what "
                "schedulers may take over from each other.",
                {"alloc": "Allocator"},
                (
                    Column(heading="Allocated", expr=_sum("carriers_size"), unit="bytes"),
                    Column(heading="Used", expr=_sum("blocks_size"), unit="bytes"),
                    Column(
                        heading="Multiblock used",
                        expr=_over("blocks_size", "carriers_size", "mbcs"),
                        unit="percentunit",
                    ),
                    Column(
                        heading="Single-block used",
                        expr=_over("blocks_size", "carriers_size", "sbcs"),
                        unit="percentunit",
                        may_be_empty=_NO_CARRIER,
                    ),
                    Column(
                        heading="Pool used",
                        expr=_over("blocks_size", "carriers_size", "mbcs_pool"),
                        unit="percentunit",
                        may_be_empty=_NO_CARRIER,
                    ),
                    Column(
                        heading="Average block", expr=_over("blocks_size", "blocks", "mbcs"), unit="bytes"
                    ),
                    Column(
                        heading="Average carrier",
                        expr=_over("carriers_size", "carriers", "mbcs"),
                        unit="bytes",
                    ),
                ),
            ),
        ),
    )
