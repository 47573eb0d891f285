from __future__ import annotations

import errno
import io
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from warren import cli
from warren.errors import (
    BadInputError,
    BadInputsError,
    DeadlineError,
    InconclusiveError,
    NotReadyError,
    RefusedError,
    WarrenError,
)
from warren.operate import cli as operate
from warren.operate import options


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `warren try` whose body is given; returns the exit code."""

    def runner(body: Callable[[], Any]) -> int:
        command = click.Command("try", callback=body)
        monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)
        monkeypatch.setitem(cli.GROUPS, "try", ("x:y", "for tests"))
        with pytest.raises(SystemExit) as caught:
            cli.main(["try"])
        code = caught.value.code
        assert isinstance(code, int)
        return code

    return runner


def raiser(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInputError("a", "b"), 2),
        (BadInputsError([BadInputError("a", "b"), BadInputError("c", "d")]), 2),
        (RefusedError("a", "b"), 2),
        (NotReadyError("a", "b"), 3),
        (DeadlineError("a", "b"), 3),
        (InconclusiveError("a", "b"), 4),
        (WarrenError("a", "b"), 70),
        (KeyError("bug"), 70),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
        (BrokenPipeError(errno.EPIPE, "x"), 141),
    ],
)
def test_every_outcome_has_its_exit_code(
    run: Callable[..., int], error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # click replaces it where the reader has gone
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    assert run(raiser(error)) == code


@pytest.mark.parametrize("code", [0, 1, 4])
def test_verdict_of_a_command_is_the_exit_code(run: Callable[..., int], code: int) -> None:
    assert run(lambda: code) == code


def test_command_without_a_verdict_is_done(run: Callable[..., int]) -> None:
    assert run(lambda: None) == 0


def test_error_is_printed_whole_on_standard_error(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run(raiser(NotReadyError("rmq1", "is paused", "make chaos-heal")))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "warren: rmq1: is paused\n  try: make chaos-heal\n"


def test_bug_leaves_a_report_that_only_its_owner_can_read(
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = os.umask(0)
    try:
        assert run(raiser(KeyError("what is this"))) == 70
    finally:
        os.umask(old)
    printed = capsys.readouterr().err
    match = re.search(r"its report is in (\S+)", printed)
    assert match
    report = Path(match[1])
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "KeyError: 'what is this'" in report.read_text()
    assert "Traceback" not in printed


def test_bug_is_told_even_where_no_report_can_be_written(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", raise_full)
    assert run(raiser(KeyError("what is this"))) == 70
    assert "KeyError: 'what is this'" in capsys.readouterr().err


def raise_full(**_: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "df -h"),
        (errno.EACCES, "WARREN_STATE"),
        (errno.EROFS, "read-only"),
        (errno.EMFILE, "ulimit"),
    ],
)
def test_machines_trouble_is_no_bug(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], number: int, told: str
) -> None:
    assert run(raiser(OSError(number, os.strerror(number), "/some/file"))) == 3
    printed = capsys.readouterr().err
    assert printed.startswith(f"warren: /some/file: {os.strerror(number)}\n  try: ")
    assert told in printed


def test_missing_file_that_nobody_expected_is_a_bug(run: Callable[..., int]) -> None:
    assert run(raiser(FileNotFoundError(errno.ENOENT, "No such file", "/x"))) == 70


def invoke(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(("given", "meant"), [("clutser", "cluster"), ("lod", "load")])
def test_unknown_command_is_refused_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], given: str, meant: str
) -> None:
    assert invoke(given) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


def test_unknown_subcommand_and_option_are_refused_with_what_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke("cluster", "stats") == 2
    assert "'status'" in capsys.readouterr().err
    assert invoke("cluster", "restrat") == 2  # an operation: a file that click does not know of
    assert "'restart'" in capsys.readouterr().err
    assert invoke("chaos", "kil") == 2
    assert "'kill'" in capsys.readouterr().err
    assert invoke("chaos", "xyzzy") == 2
    assert "chaos --help lists all" in capsys.readouterr().err
    assert invoke("cluster", "status", "--jsn", "x") == 2
    assert "--json" in capsys.readouterr().err


def test_help_and_version_need_no_package_but_the_front_door() -> None:
    code = """
import sys
from warren.cli import main
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    assert not leaving.code
assert not {'pika', 'chaos', 'loadgen', 'grafanalib', 'urllib3'} & set(sys.modules)
"""
    for option in ("--help", "--version"):
        subprocess.run([sys.executable, "-c", code, option], check=True, capture_output=True, timeout=60)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of every group that is there."""
    root = click.Context(cli.root, info_name="warren")

    def walk(path: str, command: click.Command, parent: click.Context) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            own = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
            for name in command.list_commands(own):
                found = command.get_command(own, name)
                assert found is not None, f"{path} {name} is listed and not there"
                yield from walk(f"{path} {name}", found, own)

    for name in cli.GROUPS:
        try:
            group = cli.root.get_command(root, name)
        except ModuleNotFoundError as error:
            pytest.fail(f"group {name}: {error}")
        assert group is not None
        yield from walk(name, group, root)


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    mute = []
    for path, command in commands():
        if not (command.help or "").strip():
            mute.append(path)
        mute += [
            f"{path} {'/'.join(option.opts)}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help
        ]
    assert not mute


def test_help_of_every_command_works(capsys: pytest.CaptureFixture[str]) -> None:
    for path, _ in commands():
        assert invoke(*path.split(), "--help") == 0
        assert capsys.readouterr().out.startswith(f"Usage: warren {path}")


def test_no_option_takes_a_secret_from_the_command_line_or_a_variable() -> None:
    for path, command in commands():
        for option in command.params:
            name = option.name or ""
            assert not re.search(r"password|secret|token", name) or name.endswith(("_file", "_fd")), path


def test_every_option_comes_from_the_variable_that_its_flag_names(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = []
    for path, command in commands():
        prefix = f"WARREN_{path.upper().replace(' ', '_').replace('-', '_')}"
        context = click.Context(command, auto_envvar_prefix=prefix)
        for option in command.params:
            if not isinstance(option, click.Option) or option.envvar == "WARREN_TOPOLOGY":
                continue
            flag = max(option.opts, key=len).lstrip("-").upper().replace("-", "_")
            monkeypatch.setenv(f"{prefix}_{flag}", "1")
            if option.resolve_envvar_value(context) is None:
                deaf.append(f"{prefix}_{flag}")
    assert not deaf


def test_variables_are_read_like_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def context(topology: Path | None) -> Any:
        seen.append(topology)
        raise NotReadyError("seen", "enough")

    monkeypatch.setattr(options, "context", context)
    monkeypatch.setenv("WARREN_TOPOLOGY", str(tmp_path / "mine.yml"))
    monkeypatch.setenv("WARREN_CLUSTER_ENV_USER", "orders-shop")
    assert invoke("cluster", "env") == 3
    assert seen == [tmp_path / "mine.yml"]
    monkeypatch.setenv("WARREN_CLUSTER_ENV_FOR", "cobol")
    assert invoke("cluster", "env") == 2


def test_destroy_that_nobody_can_confirm_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115
    with pytest.raises(RefusedError, match="--yes"):
        operate.confirm("Remove it?", "warren cluster destroy")


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_destroy_is_done_only_on_a_yes(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    if agreed:
        operate.confirm("Remove it?", "warren cluster destroy")
    else:
        with pytest.raises(RefusedError, match="nothing was changed"):
            operate.confirm("Remove it?", "warren cluster destroy")


def test_result_file_in_a_missing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        options.check_writable(tmp_path / "missing" / "out.json")
    options.check_writable(tmp_path / "out.json")
    assert not list(tmp_path.iterdir()), "a look leaves nothing behind"
    options.check_writable(None)


def test_file_that_may_not_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> object:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "old.json").write_text("{}")
    options.check_writable(tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "{}"
    monkeypatch.setattr(Path, "open", refuse)
    for name in ("new.json", "old.json"):
        with pytest.raises(BadInputError, match="Read-only file system"):
            options.check_writable(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    options.check_writable(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("warren clu", "cluster"), ("warren cluster stat", "status"), ("warren cluster env --fo", "--for")],
)
def test_shell_completion_completes(words: str, expected: str) -> None:
    env = {**os.environ, "_WARREN_COMPLETE": "bash_complete", "COMP_WORDS": words}
    env["COMP_CWORD"] = str(len(words.split()) - 1)
    code = "from warren.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert expected in [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_one_line(shell: str) -> None:
    env = {**os.environ, "_WARREN_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", "from warren.cli import main; main()"],
        env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "_WARREN_COMPLETE" in done.stdout


def test_progress_whose_reader_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8", buffering=1) as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        options.say("the cluster is being healed")
        options.say("and it goes on")
        with suppress(BrokenPipeError):
            gone.close()
