"""How a message leaves a relay: which way by the plan, with which address and properties."""

from __future__ import annotations

from dataclasses import dataclass

from loadgen import body, plan, wire
from loadgen.spec import Outcome, RelaySpec

#: Counts the tries after which a relay has sent a message round for another.
TRY_HEADER = "warren-try"
_MARK = TRY_HEADER.encode()


@dataclass(slots=True)
class Passing:
    """A message on its way through a relay: its delivery, who it is, and how it leaves.

    ``stamped_ns`` is the intended time as the body has it. ``tried`` counts the tries before this one.
    ``outcome`` of None ends it here, or answers it where the relay replies. ``comes_back`` says that it
    leaves for another try, and is not at its end.
    """

    delivery: wire.Delivery
    publisher: int
    seq: int
    kind: int
    intended_ns: int
    stamped_ns: int
    attempt: int
    tried: int
    arrived_ns: int
    outcome: Outcome | None
    comes_back: bool


class Router:
    """Decides for one relay process; frames that do not differ between messages are made once."""

    def __init__(self, spec: RelaySpec) -> None:
        self._spec = spec
        self._ways = plan.Ways(
            [each.share for each in spec.outcomes],
            spec.failures,
            tries=len(spec.retries) + 1,
            seed=spec.seed,
            salt=spec.salt,
        )
        self._channel = 0
        self._frame_max = 0
        self._templates: dict[tuple[int, int, int], wire.Template] = {}

    def opened(self, channel: int, frame_max: int) -> None:
        """Another channel: what was made for the one before does not fit it."""
        self._channel, self._frame_max = channel, frame_max
        self._templates.clear()

    def passing(self, delivery: wire.Delivery, stamp: body.Stamp, now_ns: int, ahead_ns: int) -> Passing:
        """What becomes of a delivery; messages' times are ``ahead_ns`` ahead of this machine's clock."""
        tried = int(delivery.headers().get(TRY_HEADER, 0)) if _MARK in delivery.header else 0
        outcome, comes_back = self._way(stamp.publisher, stamp.seq, tried)
        return Passing(
            delivery=delivery,
            publisher=stamp.publisher,
            seq=stamp.seq,
            kind=stamp.kind,
            intended_ns=stamp.intended_ns - ahead_ns,
            stamped_ns=stamp.intended_ns,
            attempt=stamp.attempt + delivery.redelivered,
            tried=tried,
            arrived_ns=now_ns,
            outcome=outcome,
            comes_back=comes_back,
        )

    def _way(self, publisher: int, seq: int, tried: int) -> tuple[Outcome | None, bool]:
        """How a message leaves at this try, and whether it will come back for another."""
        spec = self._spec
        if tried < self._ways.failures_of(publisher, seq):
            if tried < len(spec.retries):
                return spec.retries[tried], True
            return spec.given_up, False
        if not spec.outcomes:
            return None, False
        return spec.outcomes[self._ways.of(publisher, seq)], False

    def template(self, passing: Passing) -> wire.Template:
        """The frames around the body of what is published for ``passing``."""
        size = len(passing.delivery.body)
        if passing.outcome is None:
            return self._reply(passing.delivery, size)
        key = (id(passing.outcome), passing.tried if passing.comes_back else -1, size)
        found = self._templates.get(key)
        if found is None:
            outcome = passing.outcome
            again = {TRY_HEADER: passing.tried + 1} if passing.comes_back else {}
            properties = wire.properties({**outcome.headers, **again}, expiration_ms=outcome.expiration_ms)
            found = self._made(outcome.exchange, outcome.routing_key, properties, size)
            self._templates[key] = found
        return found

    def _reply(self, delivery: wire.Delivery, size: int) -> wire.Template:
        asked = delivery.properties()
        properties = wire.properties({})
        properties.correlation_id = asked.correlation_id
        properties.delivery_mode = asked.delivery_mode
        return self._made(self._spec.reply_exchange, str(asked.reply_to or ""), properties, size)

    def _made(self, exchange: str, key: str, properties: wire.Properties, size: int) -> wire.Template:
        return wire.Template(
            channel=self._channel,
            frame_max=self._frame_max,
            exchange=exchange,
            routing_key=key,
            properties=properties,
            mandatory=False,
            body_size=size,
        )
