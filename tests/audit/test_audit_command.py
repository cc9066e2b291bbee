import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import simplejson

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.audit.rig import Rig
from tests.audit.web import StubPosting
from tests.cli.terminal import Commands
from txn.model.transaction import ErrorCode
from txn.operate.last_audit import LastAudits

ROOT = Path(__file__).parents[2]


class Command:
    """`txn audit` on the rig's store, in this process: starting one takes longer than most audits."""

    def __init__(self, rig: Rig, server: RedisServer, mock: MockPosting) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")} | {
            "TXN_REDIS_URL": server.url,
            "TXN_PREFIX": rig.parts.keys.prefix,
            "TXN_POSTING_URL": mock.url,
        }

    def __call__(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = Commands(self.environment | environment)("audit", *options)
        return subprocess.CompletedProcess(options, done.code, done.out, done.err)


@pytest.fixture
def command(rig: Rig, server: RedisServer, mock: MockPosting) -> Command:
    return Command(rig, server, mock)


def test_the_certificate_is_json_whose_digest_can_be_reproduced(rig: Rig, command: Command) -> None:
    names = [rig.once() for _ in range(3)]
    done = command("--json", TXN_DOUBT_WINDOW_MS="20000", TXN_ANSWER_IS_FINAL="1", TXN_VERIFY="after-doubt")
    found = simplejson.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert found["format"] == 1
    assert (
        found["digest"]["sha256"] == hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()
    )
    assert found["counts"]["once"] == found["accepted"] == found["posting"]["rows"] == 3
    assert found["evidence"] == {"posted": 3}
    assert found["settings"] == {
        "posting_timeout_ms": 5000,
        "margin_ms": 1000,
        "lease_ms": 20000,
        "doubt_window_ms": 20000,
        "answer_is_final": True,
        "verify": "after-doubt",
    }
    assert found["findings"] == {}


def test_rows_that_all_must_have_been_ours_are_told_once(rig: Rig, command: Command) -> None:
    lost = "0b1c7a3e-7d0e-4b8e-9d3a-3f0a6c0b7e11"
    rig.write(lost)
    assert command().stdout.count(lost) == 1
    rig.write("theirs")
    tables = command().stdout
    assert (tables.count(lost), tables.count("theirs ")) == (2, 1)


def test_findings_end_with_1_in_both_forms(rig: Rig, command: Command) -> None:
    doubled = rig.once()
    rig.write(doubled)
    certificate, tables = command("--json"), command()
    assert simplejson.loads(certificate.stdout)["findings"] == {
        "doubled": [{"id": doubled, "status": "completed", "code": "", "rows": 2, "differing": 0}]
    }
    assert doubled in tables.stdout
    assert "1 of 1 are not as promised" in tables.stdout
    assert [done.returncode for done in (certificate, tables)] == [1, 1]


def test_the_tables_fit_80_columns_and_carry_no_escape_codes(rig: Rig, command: Command) -> None:
    rig.once()
    rig.failed(ErrorCode.REJECTED)
    rig.write("x" * 64)
    rig.write(rig.failed(ErrorCode.CONFLICT), amount=1)
    done = command(COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert "Nothing is missing, doubled or different." in done.stdout
    assert "completed, and there exactly once" in done.stdout
    assert done.returncode == 0


def test_without_a_list_it_says_that_doubles_could_not_be_seen(rig: Rig, command: Command, stub: StubPosting) -> None:
    done = command("--posting-url", stub.url)
    assert "Doubles could not be seen" in done.stdout
    assert "exactly once" not in done.stdout
    certificate = simplejson.loads(command("--json", "--posting-url", stub.url).stdout)
    assert (certificate["posting"]["list"], certificate["posting"]["rows"]) == (False, None)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_posting_service_that_is_away_is_one_sentence_and_2(command: Command, options: list[str]) -> None:
    done = command(*options, "--posting-url", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "txn audit: the posting service cannot be reached\n"


def test_a_redis_that_is_away_is_one_sentence_and_2(command: Command) -> None:
    done = command("--json", TXN_REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("txn audit: Redis cannot be reached: nothing listens there")


def test_the_other_transport_asks_as_well(rig: Rig, command: Command) -> None:
    rig.complete(rig.accept())
    done = command("--json", TXN_TRANSPORT="requests", PYTHONWARNINGS="error")
    assert (done.returncode, done.stderr) == (1, "")
    assert simplejson.loads(done.stdout)["counts"]["missing"] == 1


def test_progress_is_shown_on_a_terminal(rig: Rig, command: Command) -> None:
    rig.once()
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "txn", "audit", "--json"],
            env=command.environment | {"TERM": "xterm"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
            check=True,
        )
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"Comparing" in shown
    assert simplejson.loads(done.stdout)["accepted"] == 1


def test_a_wrong_setting_is_one_sentence_and_2(command: Command) -> None:
    done = command("--posting-url", "ftp://user:secret@host")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("txn audit: TXN_POSTING_URL must be")
    assert "secret" not in done.stderr


BREAKING_DOWN = """
import runpy, sys
import txn.audit.audit

def burst(content):
    raise RuntimeError("burst")

txn.audit.audit.fingerprint = burst
sys.argv[1:] = ["audit"]
runpy.run_module("txn", run_name="__main__")
"""


def test_an_audit_that_breaks_down_has_found_nothing(rig: Rig, command: Command) -> None:
    rig.once()
    done = subprocess.run(
        [sys.executable, "-c", BREAKING_DOWN],
        env=command.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "RuntimeError: burst" in done.stderr


def test_an_incomplete_list_is_said_in_one_sentence_and_ends_with_2(
    rig: Rig, command: Command, stub: StubPosting
) -> None:
    rig.done("a")
    stub.answers["/transactions"] = lambda: (200, [b"[]"])
    row = (
        b'{"id": "a", "amount": 100.5, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'
    )
    stub.answers["/transactions/a"] = lambda: (200, [row])
    certificate, tables = command("--json", "--posting-url", stub.url), command("--posting-url", stub.url)
    assert [done.returncode for done in (certificate, tables)] == [2, 2]
    found = simplejson.loads(certificate.stdout)
    assert found["conclusion"].startswith("The list is incomplete: 1 of 1 were completed before it was read")
    assert (found["posting"]["whole"], found["posting"]["left_out"]) == (False, 1)
    assert found["conclusion"] in " ".join(tables.stdout.split())
    assert "Nothing is" not in tables.stdout
    assert "exactly once" not in tables.stdout


def test_the_certificate_says_what_the_tables_say(rig: Rig, command: Command) -> None:
    rig.once()
    found = simplejson.loads(command("--json").stdout)
    assert (found["conclusion"], found["notes"]) == ("Nothing is missing, doubled or different.", [])
    assert found["posting"]["whole"] is True


def test_a_status_of_a_newer_version_is_shown_by_name(rig: Rig, command: Command) -> None:
    name = rig.once()
    rig.parts.client.hset(rig.parts.keys.record(name), "status", "expired")
    done = command(COLUMNS="80")
    assert done.returncode == 0
    assert "unreadable (1)" in done.stdout
    assert name in done.stdout
    assert "expired" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_only_the_ids_in_the_file_are_judged(rig: Rig, command: Command, mock: MockPosting, tmp_path: Path) -> None:
    lost = rig.once()
    mock.reset()
    ours = [rig.once() for _ in range(2)]
    assert command().returncode == 1
    chosen = tmp_path / "ids"
    chosen.write_text("\n".join([*ours, "", ours[0]]))
    done = command("--json", "--only", str(chosen))
    found = simplejson.loads(done.stdout)
    assert (done.returncode, found["accepted"], found["counts"]["once"]) == (0, 2, 2)
    chosen.write_text(lost)
    assert command("--only", str(chosen)).returncode == 1
    chosen.write_text(f"{ours[0]}\nnever-accepted\n")
    assert simplejson.loads(command("--json", "--only", str(chosen)).stdout)["accepted"] == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no ids"),
        (b"\n\n", "holds no ids"),
        (b"a b\n", "'a b', which is not an id"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_file_without_ids_is_refused(command: Command, tmp_path: Path, content: bytes, says: str) -> None:
    chosen = tmp_path / "ids"
    chosen.write_bytes(content)
    done = command("--only", str(chosen))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("txn audit: --only")
    assert says in done.stderr
    assert "cannot be read" in command("--only", str(tmp_path / "none")).stderr


def test_the_last_audit_of_everything_is_kept_for_the_overview(rig: Rig, command: Command, tmp_path: Path) -> None:
    audits = LastAudits(rig.parts.database)
    assert audits.read() is None
    name = rig.once()
    (tmp_path / "ids").write_text(name)
    command("--only", str(tmp_path / "ids"))
    assert audits.read() is None
    assert command().returncode == 0
    kept = audits.read()
    assert kept is not None
    assert (kept.exit_code, kept.accepted, kept.conclusion) == (0, 1, "Nothing is missing, doubled or different.")
    rig.parts.client.delete(rig.parts.keys.audit)
    rig.parts.client.set(rig.parts.keys.audit, "another type")
    done = command()
    assert (done.returncode, "The overview will not show this audit" in done.stderr) == (0, True)
