"""The rendered resources as containers: what the operators would make pods of, without Kubernetes.

A pod's names, files, arguments and environment are those of the resources; what the cluster operator adds is
said here as its source says it (`internal/resource/configmap.go`, `statefulset.go`). Peers are the one thing
that differs: nodes are told them, instead of asking an API server.
"""

from __future__ import annotations

import json
import secrets as randomness
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warren.bundle import Volume
from warren.kubernetes import exporters, load
from warren.kubernetes.cluster import documents as cluster_documents
from warren.kubernetes.place import Document, Place
from warren.volume_archive import archive

PREFIX = "warren-test-pods"
_BROKER, _OURS = 999, 10001
_SCRAPE = "/run/scrape"
#: The operator's own, in the order in which the broker reads the files of conf.d.
_DEFAULTS = """\
queue_master_locator = min-masters
disk_free_limit.absolute = 2GB
cluster_partition_handling = pause_minority
"""
_TLS = """\
ssl_options.certfile = /etc/rabbitmq-tls/tls.crt
ssl_options.keyfile = /etc/rabbitmq-tls/tls.key
listeners.ssl.default = 5671
management.ssl.certfile = /etc/rabbitmq-tls/tls.crt
management.ssl.keyfile = /etc/rabbitmq-tls/tls.key
management.ssl.port = 15671
prometheus.ssl.certfile = /etc/rabbitmq-tls/tls.crt
prometheus.ssl.keyfile = /etc/rabbitmq-tls/tls.key
prometheus.ssl.port = 15691
listeners.tcp = none
stream.listeners.ssl.default = 5551
stream.listeners.tcp = none
ssl_options.cacertfile = /etc/rabbitmq-tls/ca.crt
ssl_options.verify = verify_peer
management.ssl.cacertfile = /etc/rabbitmq-tls/ca.crt
prometheus.ssl.cacertfile = /etc/rabbitmq-tls/ca.crt
"""
_ASK = """\
import base64, ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/run/scrape/ca.crt")
context.load_cert_chain("/run/scrape/tls.crt", "/run/scrape/tls.key")
request = urllib.request.Request(sys.argv[1])
account = ":".join(open(f"/run/scrape/{name}").read() for name in ("username", "password"))
request.add_header("Authorization", "Basic " + base64.b64encode(account.encode()).decode())
print(urllib.request.urlopen(request, context=context, timeout=15).read().decode())
"""


@dataclass
class Pods:
    """Containers of one network, made one by one and removed together."""

    docker: Sequence[str]
    images: Mapping[str, str]
    place: Place
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)
    made: list[str] = field(default_factory=list)

    def call(self, *words: str, stdin: bytes = b"", timeout_s: float = 120) -> str:
        done = subprocess.run(
            [*self.docker, *words], input=stdin, capture_output=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr.decode()}{done.stdout.decode()[-2000:]}"
        return done.stdout.decode()

    def exec(self, name: str, *words: str, timeout_s: float = 120) -> str:
        return self.call("exec", f"{PREFIX}-{name}", *words, timeout_s=timeout_s)

    def open(self) -> None:
        self.close()
        self.call("network", "create", PREFIX)

    def close(self) -> None:
        """Remove all that has this prefix, a run's before that was killed too."""
        found = self.call("ps", "-aq", "--filter", f"name=^{PREFIX}-").split()
        if found:
            self.call("rm", "-fv", *found)
        if self.call("network", "ls", "-q", "--filter", f"name=^{PREFIX}$").strip():
            self.call("network", "rm", PREFIX)

    def create(
        self,
        name: str,
        image: str,
        volumes: Sequence[Volume],
        *,
        options: Sequence[str],
        words: Sequence[str],
    ) -> None:
        """A container with the files of ``volumes``, called as their folders; no secret is in ``words``."""
        common = ["--name", f"{PREFIX}-{name}", "--network", PREFIX, "--cap-drop", "ALL"]
        self.call("create", *common, *options, self.images[image], *words)
        self.call("cp", "-", f"{PREFIX}-{name}:/", stdin=archive(volumes))
        self.call("start", f"{PREFIX}-{name}")

    # -- the broker ------------------------------------------------------------------------------------

    def start_nodes(self) -> None:
        config_map, cluster = cluster_documents(self.place)
        cookie = randomness.token_hex(16)
        for number, host in enumerate(self.place.hosts):
            volumes = self._node_volumes(config_map, cluster["spec"], cookie)
            options = [
                *("--hostname", f"{self.place.cluster}-server-{number}", "--network-alias", host),
                *("--network-alias", self.place.service, "--user", f"{_BROKER}:{_BROKER}"),
                *("--memory", cluster["spec"]["resources"]["limits"]["memory"].removesuffix("i")),
                *("--env", "RABBITMQ_USE_LONGNAME=true", "--env", f"RABBITMQ_NODENAME=rabbit@{host}"),
            ]
            self.create(f"node-{number}", "rabbitmq", volumes, options=options, words=["rabbitmq-server"])

    def _node_volumes(self, config_map: Document, spec: Mapping[str, Any], cookie: str) -> list[Volume]:
        pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
        inter_node = pod["volumes"][0]["secret"]
        plugins = ["rabbitmq_peer_discovery_k8s", "rabbitmq_prometheus", "rabbitmq_management"]
        plugins += spec["rabbitmq"]["additionalPlugins"]
        etc = {
            "rabbitmq-env.conf": spec["rabbitmq"]["envConfig"],
            "inter_node_tls.config": config_map["data"]["inter_node_tls.config"],
            "enabled_plugins": f"[{','.join(plugins)}].\n",
            "conf.d/10-operatorDefaults.conf": _DEFAULTS + self._peers(),
            "conf.d/11-default_user.conf": f"default_user = administrator\ndefault_pass = {cookie}\n",
            "conf.d/90-userDefinedConfiguration.conf": self._user_defined(spec),
            **{
                f"tls/{item['path']}": self.secrets[inter_node["secretName"]][item["key"]]
                for item in inter_node["items"]
            },
        }
        tls = {
            **{key: self.secrets[spec["tls"]["secretName"]][key] for key in ("tls.crt", "tls.key")},
            "ca.crt": self.secrets[spec["tls"]["caSecretName"]]["ca.crt"],
        }
        return [
            _volume("etc/rabbitmq", _BROKER, etc),
            _volume("etc/rabbitmq-tls", _BROKER, tls),
            _volume("var/lib/rabbitmq", _BROKER, {".erlang.cookie": cookie}),
        ]

    def _peers(self) -> str:
        hosts = self.place.hosts
        lines = ["cluster_formation.peer_discovery_backend = classic_config"]
        lines += [f"cluster_formation.classic_config.nodes.{n} = rabbit@{h}" for n, h in enumerate(hosts, 1)]
        lines += [
            f"cluster_formation.target_cluster_size_hint = {len(hosts)}",
            f"cluster_name = {self.place.cluster}",
        ]
        return "\n".join(lines) + "\n"

    def _user_defined(self, spec: Mapping[str, Any]) -> str:
        """The operator's settings for TLS and memory, and ours behind them: the last of a key counts."""
        limit = self.place.topology.broker.memory_limit_mib * 1024 * 1024
        memory = f"total_memory_available_override_value = {limit - limit // 5}\n"
        lines = (_TLS + memory + spec["rabbitmq"]["additionalConfig"]).splitlines()
        pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
        merged = {key.strip(): value.strip() for key, _, value in pairs}
        return "".join(f"{key} = {value}\n" for key, value in merged.items())

    def import_definitions(self, document: Mapping[str, Any]) -> None:
        """In the place of the topology operator; from a file of the broker's alone, for hashes are secrets.

        Through standard input the broker's tool dies of an error in Erlang 29's terminal (4.3.6).
        """
        volume = _volume("tmp/objects", _BROKER, {"definitions.json": json.dumps(document)})
        self.call("cp", "-", f"{PREFIX}-node-0:/", stdin=archive([volume]))
        self.exec("node-0", "rabbitmqctl", "import_definitions", "/tmp/objects/definitions.json")

    # -- what is beside it -----------------------------------------------------------------------------

    def start_exporters(self) -> None:
        for deployment in exporters.documents(self.place)[::2]:
            self._start_pod(deployment["spec"]["template"]["spec"], [])

    def start_load(self, topology_text: str) -> None:
        _, job = load.documents(self.place, topology_text)
        topology = _volume("etc/warren", _OURS, {"topology.yml": topology_text})
        self._start_pod(job["spec"]["template"]["spec"], [topology])

    def _start_pod(self, pod: Mapping[str, Any], more: list[Volume]) -> None:
        (container,) = pod["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        volumes, options = list(more), ["--user", f"{_OURS}:{_OURS}"]
        for volume in pod["volumes"]:
            path = mounts[volume["name"]]
            if "emptyDir" in volume:
                options += ["--tmpfs", f"{path}:mode=1777"]
            elif "projected" in volume:
                volumes.append(_volume(path.strip("/"), _OURS, self._projected(volume["projected"])))
        for each in container.get("env", ()):
            options += ["--env", f"{each['name']}={each['value']}"]
        name = container["name"]
        options += ["--network-alias", f"{self.place.secret(name)}.{self.place.namespace}.svc"]
        first, *rest = container["command"]
        options += [
            "--entrypoint",
            first,
            "--memory",
            container["resources"]["limits"]["memory"].removesuffix("i"),
        ]
        self.create(name, "warren", volumes, options=options, words=[*rest, *container.get("args", ())])

    def _projected(self, volume: Mapping[str, Any]) -> dict[str, str]:
        return {
            item["path"]: self.secrets[source["secret"]["name"]][item["key"]]
            for source in volume["sources"]
            for item in source["secret"]["items"]
        }

    def start_scraper(self) -> None:
        """Stands where Prometheus does, with the certificate and the account of the ServiceMonitors."""
        account = self.place.password(self.place.topology.account("monitoring").name)
        files = {
            "ca.crt": self.secrets[self.place.secret("ca")]["ca.crt"],
            **self.secrets[self.place.secret("scrape-tls")],
            **self.secrets[account],
        }
        options = ["--user", f"{_OURS}:{_OURS}", "--entrypoint", "sleep"]
        self.create(
            "scraper", "warren", [_volume(_SCRAPE.strip("/"), _OURS, files)], options=options, words=["3600"]
        )

    def scrape(self, url: str) -> str:
        return self.exec("scraper", "python3", "-c", _ASK, url)


def _volume(path: str, owner: int, files: Mapping[str, str]) -> Volume:
    content = {
        name: (text.encode(), 0o440 if name != ".erlang.cookie" else 0o400) for name, text in files.items()
    }
    return Volume(name=path, uid=owner, gid=owner, files=content)


def plain(made: Sequence[Document]) -> dict[str, dict[str, str]]:
    """Secrets by name, as pods see them."""
    return {each["metadata"]["name"]: dict(each["stringData"]) for each in made}
