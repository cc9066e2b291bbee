import subprocess
import sys
from pathlib import Path

import pytest

from ops.evening import MOMENTS, _verdict, text_of
from ops.stand import ROOT

STATUS = """txn  redis://h  txn:  2026-11-28 21:45:29 UTC
\u25cf The posting service does not answer  since 21:45:05 UTC
  GET: connection refused
  21:40:05 UTC  The posting service answers again, after 4 min

waiting 3
"""


def test_what_was_is_no_part_of_the_verdict() -> None:
    assert _verdict(STATUS).splitlines()[1:] == [
        "\u25cf The posting service does not answer  since 21:45:05 UTC",
        "  GET: connection refused",
    ]


def test_a_page_is_read_without_what_it_is_drawn_with() -> None:
    page = "<body><nav>x</nav><main><style>y</style><p>a &lt;b&gt;</p><li>c <b>d</b></li></main>"
    assert text_of(page).splitlines()[-2:] == ["a <b>", "c d"]


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_every_trouble_is_named_and_only_while_it_lasts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.evening", "--no-pictures", "--folder", str(tmp_path)]
    evening = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_780, check=False)
    assert evening.returncode == 0, evening.stdout + evening.stderr
    assert len(list(tmp_path.glob("*/*.txt"))) == len(MOMENTS)
