"""docker-compose.yml on whatever container engine this machine has."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def command() -> list[str]:
    """`docker compose` or docker-compose, whichever reaches an engine; else the test is skipped, with the reason."""
    said = ["neither `docker compose` nor docker-compose is installed"]
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]):
            done = subprocess.run([*words, "ps"], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
            if done.returncode == 0:
                return words
            said.append(f"`{' '.join(words)}` reaches no container engine: {done.stderr.strip()[-200:]}")
    pytest.skip(said[-1])


class Compose:
    """One project of its own: names, volumes, port."""

    def __init__(self, words: list[str]) -> None:
        self._words, self.port = words, free_port()
        project = f"txn{uuid.uuid4().hex[:8]}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        self._environment = own | {"COMPOSE_PROJECT_NAME": project, "TXN_PORT": str(self.port)}
        self.url = f"http://127.0.0.1:{self.port}"

    def build(self) -> None:
        """With CONTAINER_BUILD, where the engine's own way does not do: `docker build --network=host`, say."""
        if build := os.environ.get("CONTAINER_BUILD"):
            subprocess.run([*shlex.split(build), "-t", "txn", str(ROOT)], check=True, timeout=300)
        else:
            self("build")

    def up(self, *arguments: str) -> None:
        self("up", "-d", "--no-build", *arguments)
        self.until(lambda: self.health().get("status") == "healthy", "the API says that all is well")

    def __call__(self, *arguments: str, timeout: float = 300) -> str:
        """Its standard output. Raises: AssertionError, with all it said."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        line = [*self._words, *arguments]
        return subprocess.run(
            line, cwd=ROOT, env=self._environment, text=True, capture_output=True, timeout=timeout, check=False
        )

    def health(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = requests.get(f"{self.url}/api/health", timeout=5).json()
        except requests.RequestException:
            return {}
        return found

    def submit(self, description: str = "") -> str:
        """The id of the first command of README, as printed but for the port, or of another; again if Redis is away."""
        body, found = {"amount": "2.00", "currency": "USD", "description": description}, dict[str, Any]()

        def accepted() -> bool:
            if description:
                found.update(requests.post(f"{self.url}/api/transactions", json=body, timeout=PATIENCE_S).json())
            else:
                found.update(self._readme_curl())
            return "transactionId" in found

        self.until(accepted, "it is accepted")
        return str(found["transactionId"])

    def _readme_curl(self) -> dict[str, Any]:
        [line] = re.findall(r"^    \$ (curl -i localhost:8000.*\\\n.*)$", (ROOT / "README.md").read_text(), re.M)
        line = line.replace("curl -i localhost:8000", f"curl -s {self.url}")
        done = subprocess.run(line, shell=True, text=True, capture_output=True, check=True, timeout=PATIENCE_S)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self, transaction_id: str) -> str:
        answer = requests.get(f"{self.url}/api/transactions/{transaction_id}", timeout=PATIENCE_S)
        return str(answer.json()["status"])

    def until(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}\n{self.run('logs').stdout}"
            time.sleep(0.1)
