import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import ROOT, Commands
from tests.parts import Parts
from txn import __version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stauts",), "txn: no such command 'stauts'; did you mean 'status'?"),
        (("status", "--wach"), "txn status: there is no option --wach; did you mean --watch?"),
        (
            ("failed", "--code", "rejcted"),
            "txn failed: --code: there is no error code 'rejcted'; did you mean rejected?",
        ),
        (("status", "--xyz"), "txn status: no such option: --xyz: see txn status --help"),
        (("xyz",), "txn: no such command 'xyz': see txn --help"),
        (("show",), "txn show: missing argument 'ID': see txn show --help"),
        (("run", "stop"), "txn run stop: missing argument 'RUN': see txn run stop --help"),
        (
            ("failed", "--limit", "0"),
            "txn failed: invalid value for '--limit': it should be greater than or equal to 1",
        ),
        (
            ("completion", "tcsh"),
            "txn completion: invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish'",
        ),
        (("status", "--fail-on", "x"), "txn status: invalid value for '--fail-on': 'x' is not one of 'warn', 'bad'"),
        (("status", "\x1b[2J"), "txn status: got unexpected extra argument(s) (\\x1b[2J): see"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_that_says_what_to_do(
    txn: Commands, arguments: tuple[str, ...], said: str
) -> None:
    done = txn(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)
    assert done.err.count("\n") == 1


def test_its_version(txn: Commands) -> None:
    done = txn("--version")
    assert (done.code, done.out, done.err) == (0, f"txn {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("run",)])
def test_with_no_command_the_help_is_shown(txn: Commands, arguments: tuple[str, ...]) -> None:
    done = txn(*arguments)
    assert (done.code, done.err) == (2, "")
    assert "Usage: txn" in done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("txn sta", {"status"}),
        ("txn status --fail", {"--fail-on"}),
        ("txn failed --code re", {"rejected"}),
        ("txn run st", {"stop"}),
        ("txn completion z", {"zsh"}),
    ],
)
def test_bash_completes(txn: Commands, tmp_path: Path, words: str, expected: set[str]) -> None:
    (tmp_path / "completion.bash").write_text(txn("completion", "bash").out)
    command = tmp_path / "txn"
    command.write_text(f'#!/bin/sh\ncd {ROOT} && exec {txn.run_with} -m txn "$@"\n')
    command.chmod(0o755)
    script = f"source completion.bash; COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; "
    script += '_txn_completion ./txn; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_lines(txn: Commands, shell: str) -> None:
    done = txn("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_TXN_COMPLETE=complete_{shell}" in done.out


def test_nothing_is_cut_in_a_pipe(txn: Commands, parts: Parts) -> None:
    detail = "POST: answered 400, saying: " + "x" * 250 + " end"
    name = parts.fail("i" * 64, detail=detail)
    for arguments in (("failed",), ("show", name), ("status",)):
        done = txn.run(*arguments)
        assert done.code == 0
        assert all(line == line.rstrip() for line in done.out.splitlines())
    [line] = (line for line in txn.run("failed").out.splitlines() if name in line)
    assert line.endswith(detail)
    assert f"rejected: {detail}" in txn.run("show", name).out


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_an_id_is_on_one_line_whatever_the_width(txn: Commands, parts: Parts, columns: int) -> None:
    names = [parts.fail(detail="POST: answered 400, saying something that is long"), parts.fail("short")]
    done = txn("failed", columns=columns)
    assert max(map(len, done.out.splitlines())) <= columns
    for name in names:
        assert any(name in line for line in done.out.splitlines())
        assert any(name in line for line in txn("show", name, columns=columns).out.splitlines())
    assert "100.50 USD" in done.out
