import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def strangers(text: str) -> Iterator[str]:
    """Files that are named and not there, and names that are not in the file beside which they stand."""
    for path, name in re.findall(r"`((?:txn|tests|ops|bench)/[\w/.-]+)`(?:, `(?!\w+\.py)([\w.]+)`)?", text):
        found = ROOT / path if (ROOT / path).exists() else (ROOT / path).with_suffix(".py")
        if not found.exists():
            yield path
        elif name and found.is_file() and (missing := missing_parts(name, found.read_text())):
            yield f"{path}: {missing}"


def missing_parts(name: str, source: str) -> list[str]:
    return [part for part in name.split(".") if not re.search(rf"\b(class|def|function) {part}\b", source)]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_and_name_that_is_mentioned_is_there(page: Path) -> None:
    assert list(strangers(page.read_text())) == []


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+\.md[^)\s]*)\)", page.read_text())
    }
    assert [page for page in PAGES if page not in linked and page.name != "README.md"] == []


def test_a_name_that_is_not_there_is_found() -> None:
    text = "`txn/clock.py`, `boot_ms` `txn/clock.py`, `Clock.tick` `txn/nowhere.py` `txn/clock`"
    assert list(strangers(text)) == ["txn/clock.py: ['Clock', 'tick']", "txn/nowhere.py"]


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One heading\n[a](#one-heading) [b](#two) [c](gone.md) [d](page.md#one-heading)\n")
    assert list(broken_links(page)) == ["#two", "gone.md"]
