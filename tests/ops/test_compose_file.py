"""What can be seen of docker-compose.yml without a container engine; tests/containers runs it."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from txn.settings import Settings

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "txn"]


def words(name: str) -> list[str]:
    return shlex.split(SERVICES[name]["command"])


def test_redis_is_told_what_the_embedded_one_is_told() -> None:
    options = dict(zip(words("redis")[1::2], words("redis")[2::2], strict=True))
    for line in (ROOT / "ops/valkey.conf").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "save"):
            assert options[f"--{name}"] == value.strip('"'), name


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_one(name: str) -> None:
    known = {f"TXN_{field.upper()}" for field in Settings.model_fields}
    given = {key for key in SERVICES[name]["environment"] if key.startswith("TXN_")}
    assert given <= known


def test_only_the_api_is_reached_from_outside_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in published["api"])


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_read_only_without_rights_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == "always"
    assert "container_name" not in service, "it could not be scaled"


def test_a_worker_has_longer_than_it_drains() -> None:
    line = words("worker")
    drains_s = int(line[line.index("--worker-shutdown-timeout") + 1]) / 1000
    settings = Settings()
    assert drains_s > (3 * settings.posting_timeout_ms + settings.margin_ms) / 1000, "GET, POST and GET fit in"
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > drains_s


def test_a_dependency_is_waited_for_until_it_is_healthy() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in SERVICES[other]


def test_health_checks_are_words_without_spaces() -> None:  # Podman splits them at each
    for name, service in SERVICES.items():
        assert not [word for word in service.get("healthcheck", {}).get("test", []) if " " in word], name


def test_the_image_leaves_out_all_but_what_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == {"ops", "requirements", "txn", "wsgi.py"}


def test_the_image_is_of_the_oldest_python_supported_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    [python] = re.findall(r"^FROM python:(3\.\d+)-", text, re.M)
    assert f'requires-python = ">={python}"' in (ROOT / "pyproject.toml").read_text()
    assert text.rstrip().splitlines()[-1] == "USER txn"
