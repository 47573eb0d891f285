"""A broker's API that is not there: virtual hosts and passwords are kept in a file, and what clients of
faults do to it follows from the helpers that run, as the real one would count it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.clients import orders
from warren.definitions import HASHING_ALGORITHM, password_hash, password_matches
from warren.management import NotFoundError
from warren.process import Completed
from warren.runtime.fake import FakeRuntime
from warren.secrets import Secrets

#: What the account of load profiles may have in the lab's topology.
_MOST_CONNECTIONS, _MOST_CHANNELS = 256, 1024
_ALERTS = {"expired": "Certificate Expired", "unknown": "Unknown CA"}


class RuntimeWithAccounts(FakeRuntime):
    """One whose nodes know passwords, and write why they refuse a certificate."""

    lets_in: Callable[[str, str], bool]

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        done = super().execute(node, argv, timeout_s=timeout_s, stdin=stdin)
        if list(argv[:2]) != ["rabbitmqctl", "authenticate_user"]:
            return done
        right = self.lets_in(argv[2], (stdin or b"").decode().strip())
        said = f'Error:\nError: failed to authenticate user "{argv[2]}"'
        return Completed(argv=tuple(argv), returncode=0 if right else 65, stdout="", stderr=said)

    def logs(self, node: str, *, lines: int) -> str:
        shown = [each for each in self.known_helpers().values() if each["fault"] == "bad-certificate"]
        if not shown:
            return ""
        alert = _ALERTS[str(orders.read(shown[0]["input"]).settings["certificate"])]
        return f"2026-01-02 03:59:59.000000+00:00 [notice] TLS server: SERVER ALERT: Fatal - {alert}\n"


class FakeManagement:
    """Fulfils `chaos.access.Management`. Writing is the step ``put`` of the runtime's scripts."""

    def __init__(
        self, runtime: FakeRuntime, path: Path, now: Callable[[], datetime], passwords: Mapping[str, str]
    ) -> None:
        self.runtime, self.path, self.now = runtime, path, now
        self.closed: list[str] = []
        self.unreachable = False
        users = {user: password_hash(password, b"salt") for user, password in passwords.items()}
        self._save({"vhosts": ["/orders", "/users"], "rights": {}, "users": users})

    # What tests ask.

    def own_vhosts(self) -> list[str]:
        return [each for each in self._load()["vhosts"] if each.startswith("/warren.")]

    def strangers(self, secrets: Secrets) -> list[str]:
        """Users whose password is not the one that the state folder has."""
        users = self._load()["users"]
        return [user for user in users if not self.lets_in(user, secrets.read(user))]

    def lets_in(self, user: str, password: str) -> bool:
        return password_matches(self._load()["users"][user], password)

    def rights(self) -> dict[str, dict[str, str]]:
        return dict(self._load()["rights"])

    # The protocol.

    def get(self, *path: str) -> Any:
        if path == ("overview",):
            return {"churn_rates": {"queue_created": 40 + 30 * bool(self._clients().get("queue-churn"))}}
        if path[0] == "users":
            stored = self._load()["users"][path[1]]
            return {"name": path[1], "password_hash": stored, "hashing_algorithm": HASHING_ALGORITHM}
        assert path[0] == "queues"
        self._need(path[1])
        return self._queue(path[2])

    def rows(self, *path: str, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        if path == ("vhosts",):
            return [{"name": name} for name in self._load()["vhosts"]]
        if path == ("connections",):
            return self._connections()
        if path == ("consumers",):
            return self._consumers()
        if path[0] == "queues":
            self._need(path[1])
            return [{"name": orders.own_queue("queue-churn", ".00000001")}]
        if path[0] == "vhosts" and path[2] == "connections":
            self._need(path[1])
            return [row for row in self._connections() if row["vhost"] == path[1]]
        assert (path[0], path[2]) == ("connections", "channels")
        (row,) = [each for each in self._connections() if each["name"] == path[1]]
        return [{"messages_unacknowledged": row["held"]}]

    def put(self, *path: str, body: Any = None) -> None:
        self.runtime._run("put", path[0], "before")
        if "put" not in self.runtime.ignored_steps:
            known = self._load()
            if path[0] == "vhosts":
                known["vhosts"] = sorted({*known["vhosts"], path[1]})
            elif path[0] == "permissions":
                known["rights"].setdefault(path[1], {})[path[2]] = body["write"]
            else:
                known["users"][path[1]] = body["password_hash"]
            self._save(known)
        self.runtime._run("put", path[0], "after")

    def delete(self, *path: str) -> None:
        if path[0] == "connections":
            self.closed.append(path[1])
            return
        self._need(path[1])
        known = self._load()
        known["vhosts"].remove(path[1])
        self._save(known)

    # How it works.

    def _clients(self) -> dict[str, orders.Orders]:
        """What each client that runs was told, by its fault."""
        return {
            each["fault"]: orders.read(each["input"])
            for each in self.runtime.known_helpers().values()
            if each["role"] == "fault" and each["running"]
        }

    def _queue(self, name: str) -> dict[str, Any]:
        published = {"publish": 5000, "publish_details": {"rate": 4000.0}}
        again = {"redeliver": 900, "redeliver_details": {"rate": 300.0}}
        running = [fault for fault in self._clients() if name.startswith(orders.own_queue(fault))]
        return {"name": name, "messages": 7, "message_stats": {**published, **again}} if running else {}

    def _connections(self) -> list[dict[str, Any]]:
        found = []
        for fault, client in self._clients().items():
            count = min(int(client.settings.get("connections_count", 1)), _MOST_CONNECTIONS)
            channels = min(int(client.settings.get("channels_count", 1)), _MOST_CHANNELS // count)
            for number in range(0 if fault == "bad-certificate" else count):
                found.append(
                    {
                        "name": f"10.0.0.9:{number} -> {fault}",
                        "user_provided_name": orders.connection_name(fault, number),
                        "user": client.credentials.username,
                        "vhost": client.vhost,
                        "channels": channels,
                        "held": int(client.settings.get("prefetch_count", 0)),
                    }
                )
        for run, worker in self._workers():
            found.append({"name": worker, "user_provided_name": f"warren-load {run} {worker}", "vhost": "/"})
        return found

    def _workers(self) -> list[tuple[str, str]]:
        return [
            (name.partition("-load-")[2], Path(file).stem)
            for name, each in self.runtime.known_helpers().items()
            for file in each["workers"].values()
        ]

    def _consumers(self) -> list[dict[str, Any]]:
        prefetch = {"worker": 100, "support": 10}
        return [
            {
                "channel_details": {"connection_name": worker},
                "queue": {"name": f"orders.{worker.partition('-')[0]}"},
                "prefetch_count": prefetch[worker.partition("-")[0]],
            }
            for _, worker in self._workers()
            if worker.partition("-")[0] in prefetch
        ]

    def _need(self, vhost: str) -> None:
        if vhost not in self._load()["vhosts"]:
            raise NotFoundError(vhost, "not found", status=404)

    def _load(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text(encoding="utf-8")))

    def _save(self, known: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(known), encoding="utf-8")


def begin_run(runtime: FakeRuntime, cluster: str, run_id: str = "work-1") -> None:
    """A load run with a publisher and two consumers."""
    files = {
        str(10 + place): f"/run/warren/run/workers/{name}.stderr"
        for place, name in enumerate(("shop-0", "support-0", "worker-0"))
    }
    runtime.put_helper(f"{cluster}-load-{run_id}", role="load", workers=files)
