"""The audit of the lock, with a database that is only described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from warren.audit.__main__ import main
from warren.audit.engine import Package, audit, packages
from warren.errors import BadInputError, NotReadyError

LOCK = (
    "click==8.5.1 \\\n    --hash=sha256:aa\nnumpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:bb\n"
    "numpy==2.5.5 ; python_version >= '3.12' \\\n    --hash=sha256:cc\n# pika==1.0.0\n"
)


def answering(**known: list[str]):
    def ask(question: bytes) -> bytes:
        queries = json.loads(question)["queries"]
        assert all(each["package"]["ecosystem"] == "PyPI" and each["version"] for each in queries)
        found = [known.get(each["package"]["name"], []) for each in queries]
        return json.dumps(
            {"results": [{"vulns": [{"id": i} for i in ids]} if ids else {} for ids in found]}
        ).encode()

    return ask


def test_every_pinned_version_is_asked_for_once() -> None:
    assert packages(LOCK + LOCK, "x.lock") == (
        Package("click", "8.5.1"), Package("numpy", "2.4.6"), Package("numpy", "2.5.5"),
    )  # fmt: skip
    with pytest.raises(BadInputError, match="pins no package"):
        packages("# nothing\n", "x.lock")


def test_the_locks_are_read_whole(checkout_root: Path) -> None:
    for name in ("runtime", "dev"):
        text = (checkout_root / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and line[0] not in " #"]
        assert len(packages(text, name)) == len(lines)


def test_what_is_known_is_told_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(answering(click=["PYSEC-1", "GHSA-2"])) == 1
    told = capsys.readouterr().err
    assert "click 8." in told
    assert "PYSEC-1, GHSA-2" in told
    assert "1 with known vulnerabilities" in told


def test_nothing_known_passes_and_says_what_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(answering()) == 0
    assert "audited, 0 with known vulnerabilities" in capsys.readouterr().err


def test_database_that_is_out_of_reach_is_no_failure_and_not_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(_question: bytes) -> bytes:
        raise NotReadyError("https://osv", "cannot be reached: no such host")

    assert main(ask) == 0
    told = capsys.readouterr().err
    assert told.startswith("NOT AUDITED")
    assert "no such host" in told


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"results": 1}', b'{"results": []}', b'{"results": [1]}']
)
def test_answer_that_is_none_is_not_taken_for_a_clean_one(answer: bytes) -> None:
    with pytest.raises(NotReadyError):
        audit([Package("a", "1")], lambda _: answer)
