"""Every stable feature flag enabled, as after an upgrade: until then the cluster works as the old version
did, and the next upgrade is refused. https://www.rabbitmq.com/docs/feature-flags
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step

#: What is not for production is left alone, as ``rabbitmqctl enable_feature_flag all`` leaves it.
_LEFT_ALONE = "experimental"


class EnableFeatureFlags:
    summary = "enable every feature flag that is stable, as after an upgrade"
    parameters: tuple[Parameter, ...] = ()
    promise = "no connection ends and no publish fails"
    undoing = "nothing can be undone: a feature flag that is enabled stays so"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"disabled_before": disabled(site)}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        if not (left := disabled(site)):
            return ()
        enabling = [
            Step(what=f"enable {name}", do=partial(_enable, site, name), is_act=True) for name in left
        ]
        look = Step(what="look whether every stable flag is enabled", do=partial(_all_enabled, site))
        return (parts.look_whole(site), *enabling, look, parts.wait_whole(site))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def enabling_all(site: Site) -> tuple[Step, ...]:
    """Every stable flag enabled, whichever there are by then."""
    return (
        Step(what="enable every stable feature flag", do=partial(_enable_all, site), is_act=True),
        Step(what="look whether every stable flag is enabled", do=partial(_all_enabled, site)),
    )


def disabled(site: Site) -> list[str]:
    """The stable flags that are not enabled."""
    rows = site.management.rows("feature-flags")
    found = [row for row in rows if row.get("stability") != _LEFT_ALONE and row.get("state") != "enabled"]
    return sorted(str(row["name"]) for row in found)


def _enable_all(site: Site) -> None:
    for name in disabled(site):
        _enable(site, name)


def _enable(site: Site, name: str) -> None:
    site.management.put("feature-flags", name, "enable", body={"name": name})


def _all_enabled(site: Site) -> None:
    if left := disabled(site):
        raise NotReadyError("feature flags", f"{', '.join(left)} are not enabled")


OPERATION = EnableFeatureFlags()
