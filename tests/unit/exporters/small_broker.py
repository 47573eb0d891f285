"""As much of a broker as the canary asks of one: AMQP 0-9-1 over TLS on loopback addresses, one a node, all
over the same queues. It refuses, mutes, freezes and dies, so that pika is met as it really is."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from pika import frame, spec

_CAPABILITIES = {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True}
#: (virtual host, queue)
Key = tuple[str, str]


@dataclass
class SmallBroker:
    """The nodes by address, what they hold, and what is wrong with them."""

    tls: ssl.SSLContext
    ports: dict[str, int] = field(default_factory=dict)
    queues: dict[Key, deque[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(deque))
    arguments: dict[Key, dict[str, Any]] = field(default_factory=dict)
    exchanges: set[str] = field(default_factory=set)
    published: list[tuple[str, spec.Basic.Publish, spec.BasicProperties]] = field(default_factory=list)
    consumers: dict[Key, tuple[_Client, int]] = field(default_factory=dict)
    #: Words: refuse declare, unbound, nack, mute confirms, mute deliveries, mute declares, alarm.
    faults: set[str] = field(default_factory=set)
    channel_max: int = 64
    frozen: set[str] = field(default_factory=set)
    clients: list[_Client] = field(default_factory=list)
    thaw: threading.Condition = field(default_factory=threading.Condition)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _listeners: dict[str, socket.socket] = field(default_factory=dict)

    def start(self, node: str) -> None:
        """Listen as ``node``; again on the port that it had."""
        listener = socket.create_server((node, self.ports.get(node, 0)))
        self.ports[node] = listener.getsockname()[1]
        self._listeners[node] = listener
        threading.Thread(target=self._accept, args=(node, listener), daemon=True).start()

    def kill(self, node: str) -> None:
        """No listener, and every connection gone."""
        listener = self._listeners.pop(node)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in [each for each in self.clients if each.node == node]:
            client.close()

    def close(self) -> None:
        with self.thaw:
            self.frozen.clear()
            self.thaw.notify_all()
        for node in list(self._listeners):
            self.kill(node)

    def unfreeze(self, node: str) -> None:
        with self.thaw:
            self.frozen.discard(node)
            self.thaw.notify_all()
        for key in list(self.consumers):
            self.deliver(key)

    def wait_thawed(self, node: str) -> None:
        with self.thaw:
            self.thaw.wait_for(lambda: node not in self.frozen)

    @property
    def held(self) -> int:
        """Messages in queues, those delivered and not acked included."""
        with self.lock:
            unacked = sum(len(client.unacked) for client in self.clients)
            return sum(len(queue) for queue in self.queues.values()) + unacked

    def delete(self, key: Key) -> None:
        """A queue goes, with what is bound to it, and its consumer is told."""
        with self.lock:
            del self.queues[key], self.arguments[key]
            client, channel = self.consumers.pop(key)
            client.say(channel, spec.Basic.Cancel(client.consumer_tags[channel]))

    def deliver(self, key: Key) -> None:
        with self.lock:
            if key not in self.consumers or "mute deliveries" in self.faults:
                return
            client, channel = self.consumers[key]
            if client.node in self.frozen:
                return
            while self.queues[key]:
                client.hand_over(channel, key, self.queues[key].popleft())

    def _accept(self, node: str, listener: socket.socket) -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(node, raw), daemon=True).start()

    def _serve(self, node: str, raw: socket.socket) -> None:
        self.wait_thawed(node)
        try:
            client = _Client(self, node, self.tls.wrap_socket(raw, server_side=True))
        except OSError:
            raw.close()
            return
        with self.lock:
            self.clients.append(client)
        with contextlib.suppress(OSError):
            client.serve()
        client.close()


class _Client:
    """One connection."""

    def __init__(self, broker: SmallBroker, node: str, sock: ssl.SSLSocket) -> None:
        self.broker, self.node, self.sock = broker, node, sock
        self.vhost = ""
        self.unacked: dict[tuple[int, int], tuple[Key, tuple[str, bytes]]] = {}
        self.properties: dict[str, Any] = {}
        self.consumer_tags: dict[int, str] = {}
        self._tags: dict[int, int] = defaultdict(int)
        self._sent: dict[int, int] = defaultdict(int)
        self._incoming: dict[int, list[Any]] = {}

    def serve(self) -> None:
        data = b""
        while True:
            received = self.sock.recv(65536)
            if not received:
                return
            self.broker.wait_thawed(self.node)
            data += received
            while data:
                consumed, value = frame.decode_frame(data)
                if value is None:
                    break
                data = data[consumed:]
                with self.broker.lock:
                    self._take(value)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with self.broker.lock:
            if self in self.broker.clients:
                self.broker.clients.remove(self)
                for channel in set(self.consumer_tags) | set(self._sent):
                    self._end(channel)
                for key in [key for key, (who, _) in self.broker.consumers.items() if who is self]:
                    del self.broker.consumers[key]

    def say(self, channel: int, *methods: Any) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(b"".join(frame.Method(channel, method).marshal() for method in methods))

    def hand_over(self, channel: int, key: Key, message: tuple[str, bytes]) -> None:
        self._tags[channel] += 1
        tag = self._tags[channel]
        self.unacked[channel, tag] = (key, message)
        method = spec.Basic.Deliver(self.consumer_tags[channel], tag, False, "x", key[1])
        self._content(channel, method, spec.BasicProperties(message_id=message[0]), message[1])

    def _content(self, channel: int, method: Any, properties: spec.BasicProperties, body: bytes) -> None:
        parts = [frame.Method(channel, method), frame.Header(channel, len(body), properties)]
        with contextlib.suppress(OSError):
            self.sock.sendall(b"".join(part.marshal() for part in [*parts, frame.Body(channel, body)]))

    def _take(self, value: Any) -> None:
        if isinstance(value, frame.ProtocolHeader):
            start = spec.Connection.Start(0, 9, {"capabilities": _CAPABILITIES}, "PLAIN", "en_US")
            self.say(0, start)
        elif isinstance(value, frame.Header):
            self._incoming[value.channel_number].append(value.properties)
        elif isinstance(value, frame.Body):
            method, properties = self._incoming.pop(value.channel_number)
            self._publish(value.channel_number, method, properties, value.fragment)
        elif isinstance(value, frame.Method):
            name = type(value.method).__qualname__.replace(".", "_").lower()
            getattr(self, f"on_{name}", lambda *_: None)(value.channel_number, value.method)

    def on_connection_startok(self, channel: int, method: Any) -> None:
        self.properties = method.client_properties
        self.say(channel, spec.Connection.Tune(self.broker.channel_max, 131072, 20))

    def on_connection_open(self, channel: int, method: Any) -> None:
        self.vhost = method.virtual_host
        self.say(channel, spec.Connection.OpenOk(""))

    def on_channel_open(self, channel: int, _method: Any) -> None:
        self.say(channel, spec.Channel.OpenOk(""))

    def on_channel_close(self, channel: int, _method: Any) -> None:
        self._end(channel)
        self.say(channel, spec.Channel.CloseOk())

    def on_exchange_declare(self, _channel: int, method: Any) -> None:
        self.broker.exchanges.add(method.exchange)

    def on_queue_declare(self, channel: int, method: Any) -> None:
        if "refuse declare" in self.broker.faults:
            self.say(channel, spec.Channel.Close(403, "ACCESS_REFUSED", 50, 10))
        self.broker.arguments[self.vhost, method.queue] = method.arguments
        self.broker.queues[self.vhost, method.queue]

    def on_queue_bind(self, channel: int, _method: Any) -> None:
        if not self.broker.faults & {"refuse declare", "mute declares"}:
            self.say(channel, spec.Queue.BindOk())

    def on_basic_qos(self, channel: int, _method: Any) -> None:
        self.say(channel, spec.Basic.QosOk())

    def on_basic_consume(self, channel: int, method: Any) -> None:
        self.say(channel, spec.Basic.ConsumeOk(method.consumer_tag))
        self.consumer_tags[channel] = method.consumer_tag
        self.broker.consumers[self.vhost, method.queue] = (self, channel)
        self.broker.deliver((self.vhost, method.queue))

    def on_basic_publish(self, channel: int, method: Any) -> None:
        self._incoming[channel] = [method]

    def on_basic_ack(self, channel: int, method: Any) -> None:
        self.unacked.pop((channel, method.delivery_tag), None)

    def _publish(self, channel: int, method: Any, properties: spec.BasicProperties, body: bytes) -> None:
        self._sent[channel] += 1
        tag, key = self._sent[channel], (self.vhost, method.routing_key)
        self.broker.published.append((self.node, method, properties))
        if "alarm" in self.broker.faults:
            return self.say(0, spec.Connection.Blocked("low on memory"))
        if "unbound" in self.broker.faults or key not in self.broker.arguments:
            self._content(channel, spec.Basic.Return(312, "NO_ROUTE", "x", key[1]), properties, body)
        elif "nack" in self.broker.faults:
            return self.say(channel, spec.Basic.Nack(tag))
        else:
            self.broker.queues[key].append((str(properties.message_id), body))
            self.broker.deliver(key)
        if "mute confirms" not in self.broker.faults:
            self.say(channel, spec.Basic.Ack(tag))
        return None

    def _end(self, channel: int) -> None:
        """What a channel has not acked goes back to where it was, and its consumer is gone."""
        for key in [key for key, who in self.broker.consumers.items() if who == (self, channel)]:
            del self.broker.consumers[key]
        for at in sorted((at for at in self.unacked if at[0] == channel), reverse=True):
            key, message = self.unacked.pop(at)
            self.broker.queues[key].appendleft(message)
        self._tags.pop(channel, None)
        self.consumer_tags.pop(channel, None)
        self._sent.pop(channel, None)
