"""What one's own application, and the broker's own tools, need to reach the cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from warren.context import Context
from warren.errors import BadInputError, NotReadyError
from warren.nearest import meant
from warren.runtime.protocol import NodeState
from warren.topology import PUBLISHED_SERVICES, User

TOOLS = (
    "rabbitmqctl",
    "rabbitmq-diagnostics",
    "rabbitmq-queues",
    "rabbitmq-plugins",
    "rabbitmq-streams",
    "rabbitmq-upgrade",
)


def text(context: Context, user: str, client: str) -> str:
    """Variables for a shell, or a snippet for pika, Java or curl. Passwords stay in their files."""
    account = _account(context, user)
    hosts = [
        f"localhost:{context.topology.published_node(node.name, 'amqps')}" for node in context.topology.nodes
    ]
    management = context.topology.published_node(context.topology.nodes[0].name, "management")
    certificate = context.pki.leaf("clients", account.name)
    vhosts = [
        vhost.name
        for vhost in context.topology.vhosts
        if any(permission.user == account.name for permission in vhost.permissions)
    ]
    facts = {
        "hosts": ",".join(hosts),
        "vhost": vhosts[0] if vhosts else "/",
        "user": account.name,
        "ca": str(context.cluster_ca),
        "password_file": str(context.secrets.path(account.name)),
        "certificate": str(certificate.certificate),
        "key": str(certificate.key),
        "management": f"https://localhost:{management}/api/whoami",
    }
    if context.topology.tls.client_certificate == "required" and f"{client} with certificate" in _SNIPPETS:
        client += " with certificate"
    quoted = {name: _in_shell(fact) for name, fact in facts.items()}
    texts = {f"{name}_text": _in_text(fact) for name, fact in facts.items()}
    return _SNIPPETS[client].format(**quoted, **texts, name=account.name).strip()


def _in_shell(fact: str) -> str:
    """Between single quotes, where a shell changes nothing; a folder may be called anything."""
    return "'" + fact.replace("'", "'\\''") + "'"


def _in_text(fact: str) -> str:
    """As a literal of Python or Java."""
    return '"' + fact.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _account(context: Context, name: str) -> User:
    for user in context.topology.users:
        if user.name == name:
            context.secrets.read(name)
            return user
    known = [user.name for user in context.topology.users]
    remedy = meant(name, known, f"one of {', '.join(known)}")
    raise BadInputError("--user", f"no user '{name}' in the topology", remedy)


def run_tool(context: Context, node: str, command: Sequence[str]) -> int:
    """Run a broker tool inside ``node`` with this terminal's input and output; returns its exit status.

    A bare argument list is taken for rabbitmqctl's. Raises BadInputError for an unknown node,
    NotReadyError for one that does not run.
    """
    context.topology.node(node)
    state = context.runtime.states()[node]
    if state is not NodeState.RUNNING:
        remedy = "make chaos-heal" if state is NodeState.PAUSED else "make cluster-up"
        raise NotReadyError(node, f"is {state.value}", remedy)
    argv = list(command) if command[0] in TOOLS else ["rabbitmqctl", *command]
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    container = context.runtime.container(node)
    full = [context.engine.docker, "exec", "--interactive", *terminal, container, *argv]
    return subprocess.run(full, check=False).returncode


def destroy_question(context: Context) -> str:
    """What is about to be lost, and whose it is where another state folder made the cluster."""
    cluster, root = context.topology.cluster, context.state.root
    makers = {owner.get("warren.state", "") for owner in context.runtime.owners()} - {str(root)}
    other = f" It was made from {', '.join(sorted(makers))}, which stays." if makers else ""
    return f"Remove cluster '{cluster}' with all its messages, and {root} with its run results?{other}"


def logs(context: Context, service: str, *, lines: int) -> str:
    """The last lines of a node or of a service around it; raises BadInputError naming those there are."""
    nodes = [node.name for node in context.topology.nodes]
    if context.inventory is not None and service in nodes:
        return context.nodes.logs(service, lines=lines)
    known = (*nodes, *PUBLISHED_SERVICES, *(["drift"] if context.topology.drift_user else []))
    if service not in known:
        raise BadInputError("logs", f"there is no '{service}'", f"one of {', '.join(known)}")
    return context.runtime.logs(service, lines=lines)


_SHELL = """
# The password is in a file of its own: read it, do not print it.
export RABBITMQ_HOSTS={hosts}
export RABBITMQ_VHOST={vhost}
export RABBITMQ_USER={user}
export RABBITMQ_PASSWORD_FILE={password_file}
export RABBITMQ_CA={ca}
# Only where the topology asks clients for certificates:
export RABBITMQ_CLIENT_CERT={certificate}
export RABBITMQ_CLIENT_KEY={key}
"""

_PIKA = """
import ssl
from pathlib import Path
import pika

tls = ssl.create_default_context(cafile={ca_text})
password = Path({password_file_text}).read_text().strip()
connection = pika.BlockingConnection([
    pika.ConnectionParameters(
        host, int(port), {vhost_text}, pika.PlainCredentials({user_text}, password),
        ssl_options=pika.SSLOptions(tls, host))
    for host, port in (each.split(":") for each in {hosts_text}.split(","))
])
"""
_PIKA_WITH_CERTIFICATE = _PIKA.replace(
    "password =", "tls.load_cert_chain({certificate_text}, {key_text})\npassword ="
)

_JAVA = """
// keytool -importcert -noprompt -alias warren -storetype PKCS12 -storepass changeit \\
//   -keystore warren.p12 -file {ca}
KeyStore trust = KeyStore.getInstance(new File("warren.p12"), "changeit".toCharArray());
TrustManagerFactory managers = TrustManagerFactory.getInstance("PKIX");
managers.init(trust);
SSLContext tls = SSLContext.getInstance("TLSv1.3");
tls.init(null, managers.getTrustManagers(), null);
ConnectionFactory factory = new ConnectionFactory();
factory.useSslProtocol(tls);
factory.enableHostnameVerification();
factory.setVirtualHost({vhost_text});
factory.setUsername({user_text});
factory.setPassword(Files.readString(Path.of({password_file_text})).strip());
Connection connection = factory.newConnection(Address.parseAddresses({hosts_text}));
"""
#: Java reads no PEM: certificate and key go into a store too, which only its owner may read.
_JAVA_WITH_CERTIFICATE = _JAVA.replace(
    "KeyStore trust =",
    """// (umask 077; openssl pkcs12 -export -name warren -passout pass:changeit -out warren-client.p12 \\
//   -in {certificate} -inkey {key})
KeyStore own = KeyStore.getInstance(new File("warren-client.p12"), "changeit".toCharArray());
KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
keys.init(own, "changeit".toCharArray());
KeyStore trust =""",
).replace("tls.init(null,", "tls.init(keys.getKeyManagers(),")

_CURL = """
# curl reads the account from standard input, so that the password is in no process list
printf 'user = "{name}:%s"' "$(cat {password_file})" |
  curl --config - --cacert {ca} {management}
"""

_SNIPPETS = {
    "shell": _SHELL,
    "pika": _PIKA,
    "pika with certificate": _PIKA_WITH_CERTIFICATE,
    "java": _JAVA,
    "java with certificate": _JAVA_WITH_CERTIFICATE,
    "curl": _CURL,
}
