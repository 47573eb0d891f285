"""Gets the container images: pulls the official ones, or builds the same from Debian packages.

Where a registry answers, the official images are pulled by the version that the topology names, and the
digest of the first pull is recorded: from then on it is that image and no other, whatever the version's
name is moved to, until it is asked for again (`pull`). Where none answers within seconds, images of the same
shape are built (warren/imagebuild.py). What was settled once is recorded and used again; a
warm start asks the engine one question.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Literal

from warren.console import Say, shorten
from warren.errors import DeadlineError, NotReadyError
from warren.imagebuild import Builder, Recipe, recipes
from warren.ownimage import NAME as OWN_NAME
from warren.ownimage import build_own, own_recipe
from warren.process import Runner
from warren.runtime.engine import Engine
from warren.runtime.stream import Stream, stream
from warren.wait import Clock, until

#: auto: what was settled before, else pull, else build. pull: ask the registry again. build: never ask it.
Policy = Literal["auto", "pull", "build"]

#: The image that our own is built on where official images can be pulled.
PYTHON_REFERENCE = "python:3.13-slim"
_PYTHON = "python"
_FIRST_ANSWER_S = 8.0
_PULL_S = 420.0
_LOCK_S = 600.0
#: What a registry says when it answers and does not have, or does not give, the image.
_REFUSALS = (
    "manifest unknown",
    "not found",
    "denied",
    "unauthorized",
    "toomanyrequests",
    "no matching manifest",
)
_NO_REGISTRY = "no registry answers, and Debian has no package of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image that is on this machine. ``reference`` is what to write into a compose file, with the digest
    of a pulled image (``name:version@sha256:…``, of which the engine heeds the digest); ``digest`` is the
    registry's (sha256:…) for a pulled image, None for a built one; ``note`` is for the user, may be empty."""

    name: str
    reference: str
    origin: Literal["pulled", "built"]
    digest: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What the record file keeps of an image: ``wanted`` as it was asked for, and what came of it."""

    wanted: str
    reference: str
    origin: Literal["pulled", "built", "absent"]
    digest: str | None
    note: str


def ensure_images(
    wanted: Mapping[str, str],
    *,
    engine: Engine,
    run: Runner,
    record: Path,
    build_root: Path,
    say: Say,
    policy: Policy = "auto",
    follow: Stream = stream,
    clock: Clock | None = None,
) -> dict[str, ImageRef]:
    """Have every image of ``wanted`` (name -> official reference) on this machine, and ``warren``, our own.

    ``record`` is the JSON file that keeps what was settled, in the state folder; working files lie beside
    it while something is built. ``build_root`` is the checkout: deploy/images, requirements/, our packages.
    A name that can neither be pulled nor built (Grafana without a registry) is missing from the result.

    Raises NotReadyError when an image that can be built fails to build.
    """
    clock = clock or Clock()
    with one_at_a_time(record, say, clock):
        getter = _Getter(
            engine=engine,
            run=run,
            record=record,
            root=build_root,
            say=say,
            policy=policy,
            follow=follow,
            clock=clock,
        )
        return getter.get(wanted)


@contextmanager
def one_at_a_time(record: Path, say: Say, clock: Clock) -> Iterator[None]:
    """Hold the images of the state folder that ``record`` lies in. Two commands at once would build in the
    same folder, and one would tag what the other is still writing."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.with_suffix(".lock").open("w") as lock:
        _take(lock, say, clock)
        yield


def _take(lock: IO[str], say: Say, clock: Clock) -> None:
    """Hold ``lock`` until it is closed; raises DeadlineError where another command keeps it for too long."""

    def try_once() -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotReadyError("images", "another command is at them") from error

    try:
        try_once()
    except NotReadyError:
        say("another command is getting the images: waiting for it")
        until(try_once, what="the other command", deadline_s=_LOCK_S, clock=clock)


class _Getter:
    def __init__(
        self,
        *,
        engine: Engine,
        run: Runner,
        record: Path,
        root: Path,
        say: Say,
        policy: Policy,
        follow: Stream,
        clock: Clock,
    ) -> None:
        self._docker, self._run, self._record, self._say = engine.docker, run, record, say
        self._root, self._policy, self._follow, self._clock = root, policy, follow, clock
        self._settled: dict[str, _Settled] = {}
        self._registry_answers = policy != "build"
        self._builder = Builder(
            docker=engine.docker, run=run, follow=follow, say=say, clock=clock,
            scratch=record.parent / "image-build", root=root,
        )  # fmt: skip

    def get(self, wanted: Mapping[str, str]) -> dict[str, ImageRef]:
        self._settled = _read_record(self._record)
        known = recipes(self._root)
        self._settled = {name: _pinned(each) for name, each in self._settled.items()}
        built_tags = {name: known[name].tag(reference) for name, reference in wanted.items() if name in known}
        settled = [each.reference for each in self._settled.values() if each.origin == "pulled"]
        present = self._present([*wanted.values(), *built_tags.values(), *settled])
        for name, reference in wanted.items():
            if not self._keeps(name, reference, built_tags.get(name), present):
                self._settle(name, reference, known.get(name), present)
        self._own_image(pulled=self._may_pull_python(wanted), present=present)
        _write_record(self._record, self._settled)
        names = [*wanted, OWN_NAME]
        return {name: ref for name in names if (ref := _as_ref(name, self._settled[name])) is not None}

    def _present(self, references: Iterable[str]) -> set[str]:
        """Those of ``references`` that the engine has; of one with a digest, that very image."""
        wanted = list(references)
        template = "{{range .RepoTags}}{{println .}}{{end}}{{range .RepoDigests}}{{println .}}{{end}}"
        done = self._run([self._docker, "image", "inspect", "--format", template, *wanted], timeout_s=30)
        there = {line.strip() for line in done.stdout.splitlines()}
        return {each for each in wanted if _by_digest(each) in there}

    def _keeps(self, name: str, reference: str, built_tag: str | None, present: set[str]) -> bool:
        """Whether what was settled for ``name`` still holds, so that nothing has to be done."""
        old = self._settled.get(name)
        if old is None or old.wanted != reference or self._policy == "pull":
            return False
        if old.origin == "absent":
            return True
        if old.origin == "built":
            return old.reference == built_tag and built_tag in present
        return self._policy != "build" and old.reference in present

    def _settle(self, name: str, reference: str, recipe: Recipe | None, present: set[str]) -> None:
        if self._pull(self._as_before(name, reference)):
            self._settled[name] = self._pulled(name, reference)
        elif recipe is not None:
            tag = recipe.tag(reference)
            note = f"built from Debian packages in the shape of {reference}"
            if tag in present:
                self._say(f"{name}: {tag} is there, {note}")
            else:
                note = f"{note}: {self._builder.build(recipe, reference)}"
            self._settled[name] = _Settled(
                wanted=reference, reference=tag, origin="built", digest=None, note=note
            )
        else:
            self._say(f"{name}: {reference} is not to be had: {_NO_REGISTRY}")
            self._say("  to ask again later: WARREN_IMAGES=pull make cluster-up")
            self._settled[name] = _Settled(
                wanted=reference, reference="", origin="absent", digest=None, note=_NO_REGISTRY
            )

    def _as_before(self, name: str, reference: str) -> str:
        """What to pull: the image of the first pull where it was lost, unless it is asked for anew."""
        old = self._settled.get(name)
        again = old is not None and old.origin == "pulled" and old.wanted == reference
        return old.reference if old is not None and again and self._policy != "pull" else reference

    def _pull(self, reference: str) -> bool:
        """Whether ``reference`` was pulled. Once a registry has not answered, none is asked again."""
        if not self._registry_answers:
            return False
        progress = _PullProgress(reference, self._say, self._clock)
        argv = [self._docker, "pull", reference]
        try:
            done = self._follow(argv, on_line=progress, timeout_s=_PULL_S, first_line_s=_FIRST_ANSWER_S)
            if done.ok:
                return True
            reason = done.reason()
        except DeadlineError as error:
            reason = error.what
        self._registry_answers = any(word in reason.lower() for word in _REFUSALS)
        refused = f"the registry does not give {reference}"
        self._say(f"{refused if self._registry_answers else 'no registry answers'} ({shorten(reason)})")
        return False

    def _pulled(self, name: str, reference: str) -> _Settled:
        template = "{{range .RepoDigests}}{{println .}}{{end}}"
        pulled = self._as_before(name, reference)
        done = self._run([self._docker, "image", "inspect", "--format", template, pulled], timeout_s=30)
        repository = _by_digest(f"{reference.partition('@')[0]}@")
        rows = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith(repository)]
        digests = [row.partition("@")[2] for row in rows]
        given = pulled.partition("@")[2]
        digest = given or (digests[0] if digests else None)
        note, old = "the official image", self._settled.get(name)
        if old and old.wanted == reference and old.digest and digest and old.digest != digest:
            note = f"the official image; its digest changed: {old.digest} at the first pull, {digest} now"
        self._say(f"{name}: {reference} pulled, {note}" + (f" ({digest})" if digest else ""))
        settled = _Settled(wanted=reference, reference=reference, origin="pulled", digest=digest, note=note)
        return _pinned(settled)

    def _may_pull_python(self, wanted: Mapping[str, str]) -> bool:
        """Our image stands on an official one exactly where the others are official too."""
        return any(self._settled[name].origin == "pulled" for name in wanted)

    def _own_image(self, *, pulled: bool, present: set[str]) -> None:
        base = self._python(present) if pulled else None
        recipe = own_recipe(self._root, base=base)
        old = self._settled.get(OWN_NAME)
        if old is None or old.reference != recipe.tag or not self._present([recipe.tag]):
            build_own(recipe, builder=self._builder, run=self._run, root=self._root)
        self._settled[OWN_NAME] = _Settled(
            wanted=OWN_NAME,
            reference=recipe.tag,
            origin="built",
            digest=None,
            note=f"Warren itself on {base or 'Debian'}",
        )

    def _python(self, present: set[str]) -> str | None:
        """The official Python that ours stands on, by its digest; None where it cannot be had."""
        if not self._keeps(_PYTHON, PYTHON_REFERENCE, None, present):
            if not self._pull(self._as_before(_PYTHON, PYTHON_REFERENCE)):
                return None
            self._settled[_PYTHON] = self._pulled(_PYTHON, PYTHON_REFERENCE)
        return self._settled[_PYTHON].reference


class _PullProgress:
    """Counts layers out of what `docker pull` prints, and says so every few seconds."""

    def __init__(self, reference: str, say: Say, clock: Clock) -> None:
        self._reference, self._say, self._clock = reference, say, clock
        self._start = self._last = clock.now()
        self._layers, self._ready = 0, 0

    def __call__(self, line: str) -> None:
        self._layers += "Pulling fs layer" in line
        self._ready += "Pull complete" in line or "Already exists" in line
        now = self._clock.now()
        if "Pulling from" in line:
            self._say(f"pulling {self._reference}")
        elif now - self._last >= 5:  # noqa: PLR2004  seconds between lines
            self._last = now
            layers = max(self._layers, self._ready)
            self._say(f"  {self._reference}: {self._ready} of {layers} layers, {now - self._start:.0f} s")


def _pinned(settled: _Settled) -> _Settled:
    """Of a pulled image the name with its digest: the engine heeds that, and the version tells a person."""
    if settled.origin != "pulled" or not settled.digest or "@" in settled.reference:
        return settled
    return replace(settled, reference=f"{settled.reference}@{settled.digest}")


def _by_digest(reference: str) -> str:
    """How the engine lists ``reference``: with a digest there is no version in it."""
    name, at, digest = reference.partition("@")
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return f"{repository}@{digest}" if at else name


def _as_ref(name: str, settled: _Settled) -> ImageRef | None:
    if settled.origin == "absent":
        return None
    return ImageRef(
        name=name,
        reference=settled.reference,
        origin=settled.origin,
        digest=settled.digest,
        note=settled.note,
    )


def _read_record(path: Path) -> dict[str, _Settled]:
    """What is recorded; nothing where the file is missing or not ours (it is then written anew)."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {name: _Settled(**fields) for name, fields in raw["images"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_record(path: Path, settled: Mapping[str, _Settled]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": 1, "images": {name: asdict(settled[name]) for name in sorted(settled)}}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
