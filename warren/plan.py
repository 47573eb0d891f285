"""What must change so that the broker has what the topology asks for: the only writer after the first boot.

`read_actual` asks the broker, `plan` compares (pure), `apply` carries out what it is allowed to.
"""

from __future__ import annotations

from warren.objects.comparing import plan
from warren.objects.found import Actual, from_definitions, read_actual
from warren.objects.model import BrokerObject, Kind
from warren.objects.steps import Action, Difference, Plan, Step
from warren.objects.writing import Applied, apply, command_for

__all__ = [
    "Action",
    "Actual",
    "Applied",
    "BrokerObject",
    "Difference",
    "Kind",
    "Plan",
    "Step",
    "apply",
    "command_for",
    "from_definitions",
    "plan",
    "read_actual",
]
