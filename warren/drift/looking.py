"""Drift as a command looks for it: as the operator, or as another user of the topology."""

from __future__ import annotations

from collections.abc import Collection

from warren.context import Context
from warren.drift.compare import compare
from warren.drift.model import DriftKind, Report
from warren.drift.reading import read
from warren.objects.planning import passwords


def look(context: Context, *, user: str = "", kinds: Collection[DriftKind] = ()) -> Report:
    """Compare now; changes nothing. ``user`` is the operator and ``kinds`` are all where none is given.

    Raises BadInputError for a user that the topology does not have, and NotReadyError when the cluster does
    not answer, has no password for the user, or does not let it look.
    """
    name = context.topology.user(user).name if user else context.topology.account("operator").name
    asked = tuple(kinds) or tuple(DriftKind)
    with context.management_as(name) as api:
        answers = read(api, context.topology, asked)
    known = passwords(context, make=False)
    return compare(context.topology, answers, passwords=known, kinds=asked)
