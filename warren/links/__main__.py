"""``python3 -m warren.links ROUTE…``: the relay, as its container starts it. A route is PORT=HOST:PORT."""

from __future__ import annotations

import asyncio
import re
import sys

from warren.errors import BadInputError, WarrenError
from warren.links.addresses import Route
from warren.links.relay import until_terminated

_ROUTE = re.compile(r"(?P<port>\d{1,5})=(?P<host>[A-Za-z0-9._-]+):(?P<far>\d{1,5})")


def read_route(text: str) -> Route:
    """``5700=far-rmq1:5671``; raises BadInputError for what is none."""
    found = _ROUTE.fullmatch(text)
    if found is None:
        raise BadInputError(text, "is no route", "give PORT=HOST:PORT")
    return Route(
        remote="",
        node="",
        port=int(found["port"]),
        network="",
        host=found["host"],
        far_port=int(found["far"]),
    )


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> None:
    try:
        routes = [read_route(each) for each in arguments]
        asyncio.run(until_terminated(routes, say))
    except WarrenError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
