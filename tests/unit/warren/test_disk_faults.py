"""The image with the library of disk faults: built once for what it stands on and is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warren import disk_faults
from warren.errors import NotReadyError
from warren.images import ImageRef
from warren.process import Completed
from warren.wait import Clock

OFFICIAL = ImageRef(name="rabbitmq", reference="rabbitmq:4.3.6", origin="pulled", digest="sha256:1", note="")
BUILT = ImageRef(
    name="rabbitmq", reference="warren/rabbitmq:4.3.6-aa", origin="built", digest=None, note="built"
)


class Engine:
    """Has images by reference, each with an id; builds whatever it is told to, or fails to."""

    def __init__(self, folder: Path) -> None:
        self.ids = {OFFICIAL.reference: "sha256:official", BUILT.reference: "sha256:built"}
        self.builds: list[list[str]] = []
        self.sources: list[set[str]] = []
        self.fails = False
        self.said: list[str] = []
        self.context: Any = SimpleNamespace(
            engine=SimpleNamespace(docker="docker"),
            run=self.run,
            say=self.said.append,
            clock=Clock(now=lambda: 0.0, sleep=lambda _: None),
            state=SimpleNamespace(images=folder / "images.json"),
        )

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        found = self.ids.get(argv[-1])
        if argv[2] == "ls":
            return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")
        return Completed(
            argv=tuple(argv), returncode=int(found is None), stdout=f"{found}\n", stderr="No such image"
        )

    def follow(self, argv: Sequence[str], **_: Any) -> Completed:
        self.builds.append(list(argv))
        self.sources.append({path.name for path in Path(argv[-1]).iterdir()})
        if not self.fails:
            self.ids[argv[argv.index("--tag") + 1]] = "sha256:new"
        return Completed(argv=tuple(argv), returncode=int(self.fails), stdout="gcc: no\n", stderr="")

    def add(self, broker: ImageRef) -> ImageRef:
        return disk_faults.add_library(self.context, broker, follow=self.follow)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


@pytest.mark.parametrize("broker", [OFFICIAL, BUILT])
def test_image_is_built_on_the_brokers_own_official_or_not_and_only_once(
    engine: Engine, broker: ImageRef
) -> None:
    found = engine.add(broker)
    assert found.reference.startswith("warren/disk-faults:4.3.6-")
    assert (found.name, found.origin, found.digest) == ("rabbitmq", "built", None)
    assert f"RABBITMQ={broker.reference}" in engine.builds[0]
    assert engine.sources == [{"Dockerfile", "disk_faults.c"}]
    assert engine.add(broker) == found
    assert len(engine.builds) == 1


def test_image_is_another_when_what_it_stands_on_is(engine: Engine) -> None:
    first = engine.add(OFFICIAL).reference
    engine.ids[OFFICIAL.reference] = "sha256:pulled anew"
    assert len({first, engine.add(OFFICIAL).reference, engine.add(BUILT).reference}) == 3


def test_build_that_fails_is_told_with_its_last_lines(engine: Engine) -> None:
    engine.fails = True
    with pytest.raises(NotReadyError, match="gcc: no") as caught:
        engine.add(OFFICIAL)
    assert caught.value.where == "image disk-faults"
