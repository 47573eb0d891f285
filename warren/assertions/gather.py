"""Reads the facts: few calls, since each call of a broker tool boots an Erlang virtual machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from warren.assertions import probes
from warren.assertions.facts import Around, Facts, FileFacts, ListenerFacts, NodeFacts
from warren.assertions.hosts import sections
from warren.errors import NotReadyError
from warren.management import ManagementClient
from warren.objects.comparing import plan
from warren.objects.found import read_actual
from warren.runtime.protocol import Runtime
from warren.topology import Topology

#: One call of a broker tool on a busy two-core machine.
_TOOL_S = 60.0
_PAGES = {"management": "/api/overview", "metrics": "/metrics"}
_OWNER = 7
_LISTENING, _LOOPBACK = "0A", ("0100007F", "00000000000000000000000001000000")

_ERLANG = """
Text = fun(Value) -> unicode:characters_to_binary(io_lib:format("~0tp", [Value])) end,
Env = [{App, Key} || {App, Keys} <- [{rabbit, %(rabbit)s}, {kernel, [net_ticktime]}], Key <- Keys],
Name = fun(App, Key) -> iolist_to_binary([atom_to_list(App), ".", atom_to_list(Key)]) end,
{Options, Client} = case init:get_argument(ssl_dist_optfile) of
  {ok, [[File]]} ->
    {ok, [Both]} = file:consult(File),
    {Both, [Each || {Key, _} = Each <- proplists:get_value(client, Both, []),
                    lists:member(Key, [certfile, keyfile])]};
  _ -> {none, []}
end,
Probe = fun(Extra) ->
  case ssl:connect("%(peer)s", %(port)d, [{verify, verify_none}, {active, false} | Extra], 5000) of
    {ok, Socket} -> Answer = ssl:recv(Socket, 0, 1500), ssl:close(Socket), Text(Answer);
    Error -> Text(Error)
  end
end,
io:format("~s~n", [rabbit_json:encode(#{
  otp_release => list_to_binary(erlang:system_info(otp_release)),
  total_memory_bytes => vm_memory_monitor:get_total_memory(),
  cookie_hash => unicode:characters_to_binary(rabbit_nodes:cookie_hash()),
  proto_dist => Text(init:get_argument(proto_dist)),
  inter_node_options => Text(Options),
  inter_node_without_certificate => Probe([]),
  inter_node_with_certificate => Probe(Client),
  environment => maps:from_list([{Name(A, K), Text(application:get_env(A, K, unset))} || {A, K} <- Env])
})]).
"""

#: Never a key that holds a password: what is read here is shown as evidence.
_KEYS = (
    "auth_mechanisms anonymous_login_user channel_max cluster_formation consumer_timeout default_queue_type "
    "definitions max_message_size prevent_startup_if_node_was_reset queue_leader_locator "
    "quorum_membership_reconciliation_enabled quorum_membership_reconciliation_target_group_size"
)

#: One shell in the node: sections parted by lines that begin with "==".
_SHELL = r"""
echo == user; id -u
echo == files; find /etc/rabbitmq /var/lib/rabbitmq/.erlang.cookie -type f -exec stat -c '%a %u %n' {} +
echo == defaults; find /etc/rabbitmq/conf.d -type f 2>/dev/null || true
echo == ports; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
echo == processes; for each in /proc/[0-9]*; do tr '\0' ' ' <"$each/cmdline"; echo; done 2>/dev/null
echo == configuration; cat /etc/rabbitmq/rabbitmq.conf; cat /etc/rabbitmq/conf.d/*.conf 2>/dev/null || true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the facts come from. ``passwords`` are those of the topology's users, ``secrets`` whatever must
    show nowhere; ``ca`` signed every server, ``client`` (certificate, key) is shown where one is required.

    ``around`` looks at what the nodes stand in. ``relay`` gives the command whose standard streams are a
    connection from a node's host to a port of its own, for ports that its packet filter keeps from this
    machine; None where there is no such way."""

    topology: Topology
    management: ManagementClient
    runtime: Runtime
    around: Callable[[], Around]
    relay: Callable[[str, int], Sequence[str]] | None
    ca: Path
    client: tuple[Path, Path] | None
    passwords: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)


def gather(sources: Sources) -> Facts:
    """Read everything once. Raises NotReadyError when a node or the API does not answer."""
    topology, api = sources.topology, sources.management
    names = [node.name for node in topology.nodes]
    around = sources.around()
    return Facts(
        topology=topology,
        overview=api.overview(),
        members=api.nodes(),
        queues=tuple(queue for queue in api.queues() if not queue.exclusive),
        users=tuple(api.rows("users")),
        vhosts=tuple(api.rows("vhosts")),
        permissions=tuple(api.rows("permissions")),
        feature_flags=tuple(api.rows("feature-flags")),
        deprecated_in_use=tuple(api.rows("deprecated-features", "used")),
        certificates=tuple(api.certificates_valid_for(4, "weeks", name) for name in names),
        plan=plan(topology, read_actual(api), sources.passwords),
        nodes={
            name: read_node(sources, name, peer=names[(place + 1) % len(names)], kind=around.kind)
            for place, name in enumerate(names)
        },
        listeners=_listeners(sources),
        around=around,
        secret_values=sources.secrets,
    )


def _listeners(sources: Sources) -> dict[tuple[str, str], ListenerFacts]:
    found: dict[tuple[str, str], ListenerFacts] = {}
    for node in sources.topology.nodes:
        for name in sources.topology.node_ports:
            host, number = sources.runtime.address(node.name, name)
            port = probes.Port(
                host=host,
                port=number,
                server_name=node.name,
                http_path=_PAGES.get(name, ""),
                greeting=probes.GREETINGS.get(name, b""),
            )
            if sources.relay and not probes.is_reached(port):
                port = replace(port, relay=tuple(sources.relay(node.name, number)))
            found[node.name, name] = probes.probe(port, ca=sources.ca, client=sources.client)
    return found


def read_node(sources: Sources, node: str, *, peer: str, kind: str) -> NodeFacts:
    """What a node says of itself, and of the port between nodes of its ``peer``. A container's ports are all
    the node's; a host has others besides: there (``kind`` is ``hosts``) the broker's user tells. Raises
    NotReadyError where a tool fails."""
    port = sources.topology.ports.inter_node
    keys = f"[{', '.join(_KEYS.split())}]"
    expression = _ERLANG % {"rabbit": keys, "peer": peer, "port": port}
    erlang = json.loads(_output(sources.runtime, node, ["rabbitmqctl", "-q", "eval", expression], "{"))
    parts = sections(_output(sources.runtime, node, ["sh", "-c", _SHELL], ""))
    user = int(parts["user"])
    return NodeFacts(
        **erlang,
        configuration=parts["configuration"],
        default_files=tuple(parts["defaults"].split()),
        files=_files(parts["files"]),
        ports=listening(parts["ports"], user=user if kind == "hosts" else None),
        user=user,
        command_lines=parts["processes"],
    )


def _output(runtime: Runtime, node: str, argv: Sequence[str], begins: str) -> str:
    """What a command printed, or its first line that ``begins`` so."""
    done = runtime.execute(node, argv, timeout_s=_TOOL_S)
    if not done.ok:
        raise NotReadyError(node, f"{argv[0]}: {done.reason()}")
    if not begins:
        return done.stdout
    for line in done.stdout.splitlines():
        if line.startswith(begins):
            return line
    raise NotReadyError(node, f"{argv[0]} did not print what was asked: {done.reason()}")


def _files(text: str) -> dict[str, FileFacts]:
    found: dict[str, FileFacts] = {}
    for line in text.splitlines():
        mode, owner, path = line.split(" ", 2)
        found[path] = FileFacts(mode=mode, owner=int(owner))
    return found


def listening(table: str, *, user: int | None = None) -> tuple[int, ...]:
    """Ports of /proc/net/tcp and tcp6 that are listened on at any but a loopback address (proc(5)), by
    sockets of ``user`` only where one is given."""
    ports: set[int] = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTENING or ":" not in fields[1]:  # noqa: PLR2004 - its columns
            continue
        if user is not None and fields[_OWNER : _OWNER + 1] != [str(user)]:
            continue
        address, _, port = fields[1].rpartition(":")
        if address not in _LOOPBACK and not (len(address) == 8 and address.endswith("7F")):  # noqa: PLR2004
            ports.add(int(port, 16))
    return tuple(sorted(ports))
