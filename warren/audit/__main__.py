"""``python -m warren.audit``: tell what is known against locked packages, or that nobody could be asked."""

from __future__ import annotations

import sys

from warren import checkout
from warren.audit.engine import Ask, ask_osv, audit, packages
from warren.errors import EXIT_FAILED, EXIT_OK, NotReadyError

_LOCK = "requirements/dev.lock"  # it holds what the runtime's does


def main(ask: Ask = ask_osv) -> int:
    """0 where nothing is known, or nothing could be asked, which is said; 1 where something is known."""
    wanted = packages((checkout.ROOT / _LOCK).read_text(encoding="utf-8"), _LOCK)
    try:
        found = audit(wanted, ask)
    except NotReadyError as error:
        sys.stderr.write(f"NOT AUDITED: {len(wanted)} packages of {_LOCK}: {error}\n")
        return EXIT_OK
    for package, ids in found.items():
        sys.stderr.write(f"{package}: {', '.join(ids)}  https://osv.dev/{ids[0]}\n")
    sys.stderr.write(f"{len(wanted)} packages of {_LOCK} audited, {len(found)} with known vulnerabilities\n")
    return EXIT_FAILED if found else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
