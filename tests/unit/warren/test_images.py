"""Where images come from, with an engine that is only described."""

from __future__ import annotations

import fcntl
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from warren.errors import DeadlineError, NotReadyError
from warren.imagebuild import Builder, hash_files, open_modes, recipes
from warren.images import ImageRef, ensure_images
from warren.ownimage import for_python, own_recipe
from warren.process import Completed
from warren.runtime.debian import find_mirror
from warren.runtime.engine import Engine
from warren.runtime.rootfs import write_seed
from warren.wait import Clock

ENGINE = Engine(
    docker="docker", compose=("docker", "compose"), server_version="20.10.24", compose_version="2.26.1"
)
WANTED = {"rabbitmq": "rabbitmq:4.3.6", "grafana": "grafana/grafana:12.4.1"}
NO_HOST = "Error response from daemon: dial tcp: lookup registry: no such host"


def checkout(tmp_path: Path) -> Path:
    """The parts of a checkout that images are made of."""
    root = tmp_path / "checkout"
    for name in ("base", "rabbitmq", "prometheus", "alertmanager", "victoriametrics", "warren"):
        (root / "deploy/images" / name).mkdir(parents=True)
        (root / "deploy/images" / name / "Dockerfile").write_text(f"# {name}\n")
    for name in ("base/configure.sh", "base/warren-install", "warren/Dockerfile.python", "warren/warren"):
        (root / "deploy/images" / name).write_text("#!/bin/sh\n")
    (root / "requirements").mkdir()
    (root / "requirements/runtime.lock").write_text("pika==1.4.4 --hash=sha256:aa\n")
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "warren").mkdir()
    (root / "warren/__init__.py").write_text("")
    return root


def by_digest(reference: str) -> str:
    """As Docker lists it: without the version where there is a digest."""
    name, at, digest = reference.partition("@")
    return f"{name.rpartition(':')[0]}@{digest}" if at else name


class Registry:
    """Answers as the Docker client would: which images exist, and what a pull prints."""

    def __init__(self, root: Path, *, pulls: Mapping[str, tuple[int, str]] | None = None) -> None:
        self.root, self.pulls = root, dict(pulls or {})
        self.there = {own_recipe(root, base=base).python_tag for base in (None, "python:3.13-slim")}
        self.digests: dict[str, str] = {}
        self.built: list[str] = []
        self.asked: list[str] = []
        self.silent = False
        self.listed: list[str] = []
        self.removed: list[str] = []
        self.packages = {"forky": "4.3.6-1", "trixie": "4.0.5-6+deb13u2"}
        self.build_arguments: list[str] = []
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.1)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        line, out, code = " ".join(argv), "", 0
        if "image inspect" in line:
            references = [word for word in argv if ":" in word and "{{" not in word]
            there = [ref for ref in references if ref in self.there or by_digest(ref) in self.there]
            out = "\n".join(ref for ref in there if "RepoTags" in line and "@" not in ref)
            for ref in there if "RepoDigests" in line else ():
                out += f"\n{by_digest(ref)}" if "@" in ref else self.known_as(ref)
            code = 0 if len(there) == len(references) else 1
        if "image ls" in line:
            out = "\n".join(self.listed)
        if argv[1] == "rmi":
            self.removed.append(argv[2])
        if "apt-cache" in line:
            out = f"  Candidate: {self.packages['trixie' if 'trixie' in line else 'forky']}\n"
        if "indextargets" in line:
            out = "mirror://here/|bookworm|main|Debian\n"
        if "pip wheel" in line:
            folder = Path(argv[argv.index("--wheel-dir") + 1])
            folder.mkdir()
            (folder / "warren.whl").write_bytes(b"PK\x05\x06" + bytes(18))
        return Completed(argv=tuple(argv), returncode=code, stdout=out, stderr="")

    def follow(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None],
        timeout_s: float,
        first_line_s: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        if argv[1] == "build":
            tag = argv[argv.index("--tag") + 1]
            self.built.append(tag)
            self.build_arguments += [word for word in argv if "=" in word]
            self.there.add(tag)
            return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")
        reference = argv[-1]
        self.asked.append(reference)
        name = reference.partition("@")[0]
        if self.silent:
            assert first_line_s is not None
            assert first_line_s <= 10
            raise DeadlineError("docker pull", "no end within 8 s")
        code, text = self.pulls.get(reference, self.pulls.get(name, (1, NO_HOST)))
        for line in text.splitlines():
            on_line(line)
        if code == 0:
            self.there.add(by_digest(reference) if "@" in reference else reference)
            if digest := self.digests.get(reference):
                self.there.add(by_digest(f"{reference}@{digest}"))
        return Completed(argv=tuple(argv), returncode=code, stdout=text, stderr="")

    def known_as(self, reference: str) -> str:
        digest = self.digests.get(reference)
        return f"\n{by_digest(f'{reference}@{digest}')}" if digest else ""

    def get(self, said: list[str] | None = None, policy: str = "auto") -> dict[str, ImageRef]:
        return ensure_images(
            WANTED,
            engine=ENGINE,
            run=self.run,
            record=self.root.parent / "state/images.json",
            build_root=self.root,
            say=(said if said is not None else []).append,
            policy=policy,  # type: ignore[arg-type]
            follow=self.follow,
            clock=Clock(now=lambda: self.now, sleep=self.sleep),
        )


@pytest.fixture(autouse=True)
def no_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base image is taken as made: making it needs a mirror and an engine."""
    monkeypatch.setattr(Builder, "base", lambda self, suite: f"warren/base:{suite}")


PULLS = {
    "rabbitmq:4.3.6": (0, "4.3.6: Pulling from library/rabbitmq\n"),
    "grafana/grafana:12.4.1": (0, "12.4.1: Pulling from grafana/grafana\n"),
    "python:3.13-slim": (0, "3.13-slim: Pulling from library/python\n"),
}


def test_official_images_are_pulled_and_their_digest_recorded(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["rabbitmq:4.3.6"] = "sha256:1111"
    images = registry.get()
    assert images["rabbitmq"].reference == "rabbitmq:4.3.6@sha256:1111"
    assert (images["rabbitmq"].origin, images["rabbitmq"].digest) == ("pulled", "sha256:1111")
    assert images["warren"].note == "Warren itself on python:3.13-slim"
    record = json.loads((tmp_path / "state/images.json").read_text())
    assert record["images"]["rabbitmq"]["digest"] == "sha256:1111"


def test_image_that_was_lost_comes_back_by_its_digest_whatever_its_version_names_now(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["rabbitmq:4.3.6"] = "sha256:1111"
    first = registry.get()
    registry.there -= {"rabbitmq:4.3.6", "rabbitmq@sha256:1111"}
    registry.digests["rabbitmq:4.3.6"] = "sha256:2222"
    registry.asked.clear()
    assert registry.get()["rabbitmq"] == first["rabbitmq"]
    assert registry.asked == ["rabbitmq:4.3.6@sha256:1111"]


def test_image_whose_version_was_moved_on_this_machine_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """Somebody pulled by hand: the name is there, and is another image's."""
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["rabbitmq:4.3.6"] = "sha256:1111"
    registry.get()
    registry.there -= {"rabbitmq@sha256:1111"}
    registry.digests["rabbitmq:4.3.6"] = "sha256:2222"
    assert registry.get()["rabbitmq"].reference == "rabbitmq:4.3.6@sha256:1111"


def test_digest_of_the_topology_is_what_is_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    monkeypatch.setitem(WANTED, "rabbitmq", f"rabbitmq:4.3.6@sha256:{'a' * 64}")
    image = registry.get()["rabbitmq"]
    assert (image.reference, image.digest) == (WANTED["rabbitmq"], f"sha256:{'a' * 64}")
    assert registry.asked[0] == WANTED["rabbitmq"]


def test_record_of_before_digests_were_kept_to_is_kept_to_as_well(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["rabbitmq:4.3.6"] = "sha256:1111"
    registry.get()
    record = tmp_path / "state/images.json"
    record.write_text(record.read_text().replace("rabbitmq:4.3.6@sha256:1111", "rabbitmq:4.3.6"))
    registry.asked.clear()
    assert registry.get()["rabbitmq"].reference == "rabbitmq:4.3.6@sha256:1111"
    assert registry.asked == []


def test_our_image_stands_on_a_python_that_does_not_move(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["python:3.13-slim"] = "sha256:3333"
    registry.there.add(own_recipe(registry.root, base="python:3.13-slim@sha256:3333").python_tag)
    assert registry.get()["warren"].note == "Warren itself on python:3.13-slim@sha256:3333"
    registry.asked.clear()
    registry.get()
    assert registry.asked == []


def test_digest_that_changed_since_the_first_pull_is_told(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    registry.digests["rabbitmq:4.3.6"] = "sha256:1111"
    registry.get()
    registry.digests["rabbitmq:4.3.6"] = "sha256:2222"
    said: list[str] = []
    images = registry.get(said, policy="pull")
    assert "sha256:1111 at the first pull, sha256:2222 now" in images["rabbitmq"].note
    assert any("sha256:1111 at the first pull" in line for line in said)


def test_registry_that_answers_nothing_is_asked_once_and_images_are_built(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    registry.silent = True
    said: list[str] = []
    images = registry.get(said)
    assert registry.asked == ["rabbitmq:4.3.6"]
    assert images["rabbitmq"].origin == "built"
    assert images["rabbitmq"].reference.startswith("warren/rabbitmq:4.3.6-")
    assert images["rabbitmq"].digest is None
    assert any("no registry answers" in line for line in said)


def test_image_that_cannot_be_built_is_missing_from_the_result(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    said: list[str] = []
    assert set(registry.get(said)) == {"rabbitmq", "warren"}
    assert any("grafana/grafana:12.4.1 is not to be had" in line for line in said)


def test_version_that_the_registry_does_not_have_is_built_and_the_others_pulled(tmp_path: Path) -> None:
    pulls = PULLS | {"rabbitmq:4.3.6": (1, "Error response from daemon: manifest unknown")}
    registry = Registry(checkout(tmp_path), pulls=pulls)
    images = registry.get()
    assert images["rabbitmq"].origin == "built"
    assert images["grafana"].origin == "pulled"


def test_what_was_settled_is_neither_asked_nor_built_again(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    first = registry.get()
    registry.asked.clear()
    registry.built.clear()
    assert registry.get() == first
    assert not registry.asked
    assert not registry.built


def test_absent_image_is_asked_for_again_when_told_to_pull(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    registry.get()
    registry.pulls = dict(PULLS)
    assert "grafana" not in registry.get()
    assert registry.get(policy="pull")["grafana"].origin == "pulled"


def test_second_command_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    (tmp_path / "state").mkdir()
    said: list[str] = []
    with (tmp_path / "state/images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeadlineError, match="another command is at them"):
            registry.get(said)
    assert said == ["another command is getting the images: waiting for it"]
    assert not registry.asked


def test_policy_build_asks_no_registry(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path), pulls=PULLS)
    assert registry.get(policy="build")["rabbitmq"].origin == "built"
    assert not registry.asked


def test_image_removed_from_the_engine_is_built_again(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    tag = registry.get()["rabbitmq"].reference
    registry.there.discard(tag)
    registry.built.clear()
    registry.get()
    assert registry.built == [tag]


def test_changed_recipe_gets_another_tag(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    before = recipes(root)
    (root / "deploy/images/rabbitmq/Dockerfile").write_text("# changed\n")
    after = recipes(root)
    assert before["rabbitmq"].tag("rabbitmq:4.3.6") != after["rabbitmq"].tag("rabbitmq:4.3.6")
    assert before["prometheus"].tag("p:v3.5.3") == after["prometheus"].tag("p:v3.5.3")
    (root / "deploy/images/base/configure.sh").write_text("# changed\n")
    assert recipes(root)["prometheus"].tag("p:v3.5.3") != after["prometheus"].tag("p:v3.5.3")


def test_changed_source_rebuilds_our_layer_and_not_the_dependencies(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    before = own_recipe(root, base=None)
    (root / "warren/__init__.py").write_text("changed = True\n")
    after = own_recipe(root, base=None)
    assert before.tag != after.tag
    assert before.python_tag == after.python_tag
    (root / "requirements/runtime.lock").write_text("pika==1.4.5 --hash=sha256:bb\n")
    assert own_recipe(root, base=None).python_tag != after.python_tag


def test_images_of_older_sources_are_removed_but_for_the_newest(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    registry.listed = [f"warren/warren:{number}" for number in range(9, 0, -1)]
    registry.get()
    assert registry.removed == [f"warren/warren:{number}" for number in (4, 3, 2, 1)]


def test_compiled_files_do_not_change_a_hash(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    before = own_recipe(root, base=None).tag
    (root / "warren/__pycache__").mkdir()
    (root / "warren/__pycache__/x.cpython-311.pyc").write_bytes(b"x")
    assert own_recipe(root, base=None).tag == before


def test_hash_follows_names_contents_and_executable_bits(tmp_path: Path) -> None:
    file = tmp_path / "tree" / "file"
    file.parent.mkdir()
    file.write_text("a")
    hashes = [hash_files(tmp_path, [file.parent])]
    file.chmod(0o755)
    hashes.append(hash_files(tmp_path, [file.parent]))
    file.write_text("b")
    hashes.append(hash_files(tmp_path, [file.parent]))
    file.rename(file.with_name("other"))
    hashes.append(hash_files(tmp_path, [file.parent]))
    assert len(set(hashes)) == 4


def test_password_of_a_proxy_stands_in_no_argument(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    seen: list[list[str]] = []

    def follow(argv: Sequence[str], **more: Any) -> Completed:
        seen.append(list(argv))
        return registry.follow(argv, **more)

    builder = Builder(
        docker="docker",
        run=registry.run,
        follow=follow,
        say=lambda line: None,
        clock=Clock(),
        scratch=tmp_path / "scratch",
        root=registry.root,
        environ={"http_proxy": "http://ann:secret@proxy:3128"},
    )
    builder.begin("x")
    builder.docker_build(builder.fresh("x"), "warren/x:1", {"BASE": "b"})
    (argv,) = seen
    assert argv[argv.index("http_proxy") - 1] == "--build-arg", "the engine's client reads it where we do"
    assert not any("secret" in word for word in argv)


def builder(registry: Registry, tmp_path: Path) -> Builder:
    return Builder(
        docker="docker",
        run=registry.run,
        follow=registry.follow,
        say=lambda line: None,
        clock=Clock(),
        scratch=tmp_path / "scratch",
        root=registry.root,
    )


def test_package_of_another_series_is_refused_with_the_versions_that_there_are(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    recipe = recipes(registry.root)["rabbitmq"]
    with pytest.raises(NotReadyError) as caught:
        builder(registry, tmp_path).build(recipe, "rabbitmq:4.2.1")
    assert "rabbitmq:4.2.1 is wanted and no registry answers" in caught.value.what
    assert "Debian forky has 4.3.6-1, trixie has 4.0.5-6+deb13u2" in caught.value.what
    assert "images: rabbitmq (4.3.6 or 4.0.5), and the same as broker.version" in caught.value.remedy
    assert not registry.built


def test_suite_that_has_moved_on_is_told(tmp_path: Path) -> None:
    registry = Registry(checkout(tmp_path))
    registry.packages = {"forky": "4.4.0-1", "trixie": "(none)"}
    recipe = recipes(registry.root)["rabbitmq"]
    for wanted in ("rabbitmq:4.3.6", "rabbitmq:4.0.5"):
        with pytest.raises(NotReadyError, match=r"forky has 4\.4\.0-1, trixie has no package"):
            builder(registry, tmp_path).build(recipe, wanted)


@pytest.mark.parametrize(
    ("official", "suite", "version"),
    [("rabbitmq:4.3.6", "forky", "4.3.6"), ("rabbitmq:4.0.5-management", "trixie", "4.0.5")],
)
def test_broker_comes_with_the_erlang_of_the_suite_that_has_its_series(
    tmp_path: Path, official: str, suite: str, version: str
) -> None:
    registry = Registry(checkout(tmp_path))
    recipe = recipes(registry.root)["rabbitmq"]
    builder(registry, tmp_path).build(recipe, official)
    assert registry.built == [recipe.tag(official)]
    assert registry.build_arguments == [f"BASE=warren/base:{suite}", f"RABBITMQ_VERSION={version}"]


def test_other_images_and_tags_do_not_hang_on_the_second_suite(tmp_path: Path) -> None:
    known = recipes(checkout(tmp_path))
    assert known["rabbitmq"].suite("rabbitmq:4.0.5") == "trixie"
    assert {each.suite("x:4.0.5") for name, each in known.items() if name != "rabbitmq"} == {"forky"}
    assert len({known["rabbitmq"].tag(f"rabbitmq:{each}") for each in ("4.3.6", "4.0.5", "4.0.6")}) == 3


def test_lock_is_narrowed_to_one_python() -> None:
    lock = (
        "numpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:aa\n"
        "numpy==2.5.5 ; python_version >= '3.12' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:dd\n"
        "# a comment\n"
        "click==8.5.1 \\\n    --hash=sha256:ee\n"
    )
    narrowed = for_python(lock, "3.14").splitlines()
    assert [line.split()[0] for line in narrowed] == ["numpy==2.5.5", "click==8.5.1"]
    assert narrowed[0].split()[1:] == ["--hash=sha256:bb", "--hash=sha256:cc"]


def test_modes_of_a_build_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, mode in (("folder/plain", 0o600), ("folder/program", 0o700)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    open_modes(tmp_path)
    modes = [
        (tmp_path / name).stat().st_mode & 0o777 for name in ("folder", "folder/plain", "folder/program")
    ]
    assert modes == [0o755, 0o644, 0o755]


def test_mirror_is_the_distributions_own_and_no_third_partys() -> None:
    rows = (
        "mirror://vendor/|bookworm|stable|Vendor\n"
        "mirror://other/|bookworm|main|Other\n"
        "mirror://security/|bookworm-security|main|Debian\n"
        "mirror://debian/|bookworm|main|Debian\n"
    )

    def run(argv: Sequence[str], **_: object) -> Completed:
        return Completed(argv=tuple(argv), returncode=0, stdout=rows, stderr="")

    assert find_mirror(run=run, codename="bookworm") == "mirror://debian/"
    with pytest.raises(NotReadyError, match="no Debian mirror"):
        find_mirror(run=run, codename="noble")


def test_mirror_is_found_before_the_first_update_when_no_origin_is_known() -> None:
    rows = "mirror://vendor/|bookworm|stable|$(ORIGIN)\nmirror://debian/|bookworm|main|$(ORIGIN)\n"

    def run(argv: Sequence[str], **_: object) -> Completed:
        return Completed(argv=tuple(argv), returncode=0, stdout=rows, stderr="")

    assert find_mirror(run=run, codename="bookworm") == "mirror://debian/"


def test_seed_starts_with_the_links_of_the_merged_usr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "warren.runtime.rootfs._append_files", lambda deb, seed, known: seed.add(deb, deb.name)
    )
    debs = []
    for name in ("apt_3_amd64.deb", "base-files_14_amd64.deb"):
        (tmp_path / name).write_text(name)
        debs.append(tmp_path / name)
    write_seed(debs, {"bootstrap/configure.sh": (b"#!/bin/sh\n", 0o755)}, tmp_path / "seed.tar")
    with tarfile.open(tmp_path / "seed.tar") as seed:
        members = seed.getmembers()
    names = [member.name for member in members]
    assert names[0] == "base-files_14_amd64.deb"
    assert {"bootstrap/apt_3_amd64.deb", "bootstrap/configure.sh"} <= set(names)
    assert all(member.uid == 0 for member in members if member.name.startswith("bootstrap/"))
