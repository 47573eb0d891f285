"""A node's certificates made anew, given to it while it runs, and seen in handshakes.

https://www.rabbitmq.com/docs/ssl#rotation
"""

from __future__ import annotations

from functools import partial

from cryptography import x509

from warren import broker_tools
from warren.errors import NotReadyError
from warren.operating.model import Facts, Site, Step
from warren.pki import Pair
from warren.runtime.protocol import NodeState
from warren.wait import until

#: Of the authority that signs it, the name of the certificate's files on a node.
_FILES = {"cluster": "server", "inter-node": "inter-node"}
#: Listeners read their files anew once this is empty.
_CLEAR = "ssl:clear_pem_cache()."
#: The same of the distribution, for which there is no function (``ssl_pem_cache`` of Erlang's ssl 11 has it
#: as a call to its process). Where it has no effect the two minutes below remain.
_CLEAR_INSIDE = """
try gen_server:call(ssl_pem_cache:name(dist), {unconditionally_clear_pem_cache, self()}) of
  _ -> ok
catch _:_ -> not_cleared end.
"""
_SHOWN_S = 30.0
#: Of what the distribution shows, Erlang looks every two minutes whether a file is newer than it knows it
#: (``ssl_pem_cache``); emptying the cache does not reach it. Measured on Erlang 29.
_DISTRIBUTION_S = 300.0
#: Prints what is shown at a port (DER, in hexadecimal), verified by nobody: who asks knows whose it must be.
_SHOW = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as plain:
    with context.wrap_socket(plain) as secured:
        print(secured.getpeercert(True).hex())
"""


#: Shows a certificate at a port (with its key on standard input) and prints whether it is taken. With TLS 1.3
#: it is refused after the handshake; Erlang's distribution waits seven seconds for what is said next, and an
#: alert comes at once. Python takes certificates from files only.
_TAKES = """
import os, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
file = os.memfd_create("witness")
os.write(file, sys.stdin.buffer.read())
context.load_cert_chain(f"/proc/self/fd/{file}")
taken = "no"
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as plain:
        with context.wrap_socket(plain) as secured:
            secured.settimeout(3)
            taken = "yes" if secured.recv(1) else "no"
except (TimeoutError, socket.timeout):
    taken = "yes"
except ConnectionResetError:
    pass
except ssl.SSLError as error:
    if "ALERT" not in str(error.reason):
        raise
print(f"taken={taken}")
"""


def serials(site: Site, authority: str) -> dict[str, str]:
    """The serial numbers of all nodes' certificates, as text: they are longer than numbers in JSON may be."""
    return {node: str(site.pki.serial(authority, node)) for node in site.nodes}


def issuing(site: Site, authority: str, node: str, before: str) -> Step:
    """A new certificate in the state folder, if it has none yet."""
    issue = partial(_issue, site, authority, node, before)
    return Step(what=f"{node}: issue a new certificate", do=issue, is_act=True)


def giving(site: Site, authority: str, node: str) -> Step:
    """The certificate in the state folder given to the node."""
    left = f"{node} shows the former certificate or the new one, which are both good"
    give = partial(give_leaf, site, authority, node)
    return Step(what=f"{node}: give it to the node", do=give, is_act=True, left=left)


def give_leaf(site: Site, authority: str, node: str) -> None:
    """A node that does not run reads it when it starts."""
    pair, name = site.pki.leaf(authority, node), _FILES[authority]
    files = {f"tls/{name}.pem": pair.certificate.read_bytes(), f"tls/{name}.key": pair.key.read_bytes()}
    site.runtime.put_files(node, files)
    have_read(site, node, inside=authority == "inter-node")


def give_authorities(site: Site, authority: str, node: str) -> None:
    """The file of all authorities that are trusted, to a node that runs or reads it when it starts."""
    pem = site.pki.authority(authority).certificate.read_bytes()
    site.runtime.put_files(node, {"tls/ca.pem": pem})
    have_read(site, node)


def sign_anew(site: Site, authority: str, node: str) -> None:
    """A new certificate for ``node``, if it has none of the authority that signs."""
    if not site.pki.is_signed_by_first(authority, node):
        site.pki.renew_leaf(authority, node)


def have_read(site: Site, node: str, *, inside: bool = False) -> None:
    """Have the listeners of ``node`` read their files anew, or (``inside``) that of the links between nodes,
    if it runs."""
    if site.state_of(node) is NodeState.RUNNING:
        broker_tools.evaluate(site.runtime, node, _CLEAR_INSIDE if inside else _CLEAR, tries=3)


def looking(site: Site, node: str) -> Step:
    """The new serial seen on every port, by a client that verifies it as all do."""
    ports = ", ".join(site.topology.node_ports)
    look = partial(_look, site, node)
    return Step(what=f"{node}: look for the new serial number on {ports}", do=look)


def looking_inside(site: Site, node: str) -> Step:
    """The new serial seen on the port by which nodes speak with each other."""
    look = partial(_look_inside, site, node)
    return Step(what=f"{node}: wait until the other nodes see the new serial number", do=look)


def shown(site: Site, node: str, port: str) -> int:
    """The serial number shown on ``port`` of ``node``; raises NotReadyError where it is refused."""
    return site.serial(site.pki.authority("cluster").certificate, *site.runtime.address(node, port), node)


def shown_inside(site: Site, node: str) -> int:
    """The serial number shown on the inter-node port, asked on the node's own network."""
    port = str(site.topology.ports.inter_node)
    done = site.runtime.in_network(
        node, ["python3", "-c", _SHOW, site.runtime.network_address(node), port], timeout_s=60.0
    )
    if not done.ok:
        raise NotReadyError(node, f"no handshake on its inter-node port: {done.reason()}")
    return x509.load_der_x509_certificate(bytes.fromhex(done.stdout.strip())).serial_number


def takes_inside(site: Site, node: str, pair: Pair) -> bool:
    """Whether ``node`` takes this certificate on its inter-node port; raises NotReadyError where nobody
    answers there."""
    port = str(site.topology.ports.inter_node)
    pem = pair.certificate.read_bytes() + pair.key.read_bytes()
    argv = ["python3", "-c", _TAKES, site.runtime.network_address(node), port]
    done = site.runtime.in_network(node, argv, timeout_s=60.0, stdin=pem)
    if not done.ok or "taken=" not in done.stdout:
        raise NotReadyError(node, f"no handshake on its inter-node port: {done.reason()}")
    return "taken=yes" in done.stdout


def _issue(site: Site, authority: str, node: str, before: str) -> None:
    if str(site.pki.serial(authority, node)) == before:
        site.pki.renew_leaf(authority, node)


def _look(site: Site, node: str) -> Facts:
    wanted = site.pki.serial("cluster", node)

    def all_show_it() -> None:
        for port in site.topology.node_ports:
            if shown(site, node, port) != wanted:
                raise NotReadyError(node, f"still shows its former certificate on {port}")

    until(all_show_it, what="the new certificate", deadline_s=_SHOWN_S, clock=site.clock)
    return {f"serial of {node}": f"{wanted:x}"}


def _look_inside(site: Site, node: str) -> Facts:
    wanted, began_s = site.pki.serial("inter-node", node), site.clock.now()

    def shows_it() -> None:
        if shown_inside(site, node) != wanted:
            raise NotReadyError(node, "still shows its former certificate to other nodes")

    until(
        shows_it,
        what="the new certificate",
        deadline_s=_DISTRIBUTION_S,
        every_s=5.0,
        remedy="a restart of the node reads it at once: warren cluster restart --node",
        clock=site.clock,
    )
    return {
        f"serial of {node}": f"{wanted:x}",
        f"{node} shown_after_s": round(site.clock.now() - began_s, 1),
    }
