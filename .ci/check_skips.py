"""`check_skips.py REPORT ALLOWED`: fails if a test was skipped (REPORT, pytest's XML) that ALLOWED does not list."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

report, allowed_file = map(Path, sys.argv[1:])
lines = (line.strip() for line in allowed_file.read_text().splitlines())
allowed = {line for line in lines if line and not line.startswith("#")}

tests = list(ET.parse(report).iter("testcase"))  # noqa: S314  pytest has just written it
skips = [(f"{test.get('classname')}::{test.get('name')}", skip) for test in tests for skip in test.iter("skipped")]
refused = [
    f"{name}: {skip.get('message')}"
    for name, skip in skips
    if skip.get("type") != "pytest.xfail" and not allowed & {name, skip.get("message")}
]
if refused or not tests:
    sys.exit("\n".join([f"skipped, and not in {allowed_file}:", *refused] if tests else ["no test ran"]))
