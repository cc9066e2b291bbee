"""The scripts as text: what each of them does to which kind of key."""

import re
from collections.abc import Iterator
from pathlib import Path

import txn.store
from txn.store.scripts import text_of

FOLDER = Path(txn.store.__file__).with_name("lua")
PRELUDE = (FOLDER / "prelude.lua").read_text()
SCRIPTS = {
    path.stem: path.read_text()
    for path in FOLDER.glob("*.lua")
    if path.stem not in ("prelude", "breaker", "limits", "rights")
}


def whole(name: str) -> str:
    """A script with what it uses of the prelude, without comments; KEYS[n] as the header calls the n-th key."""
    keys = dict(re.findall(r" (\d+) (t:|[a-z]+)", " ".join(re.findall(r"^-- (?:KEYS| {6}) (.*)", SCRIPTS[name], re.M))))
    body = re.sub(r"--.*", "", text_of(SCRIPTS[name]))
    return re.sub(r"KEYS\[(\d+)\]", lambda found: keys.get(found[1], "unknown").replace("t:", "record"), body)


def calls(text: str, *functions: str) -> Iterator[list[str]]:
    """The arguments of each call of one of these functions, as they are written."""
    for found in re.finditer(rf"(?<!function )\b(?:{'|'.join(functions)})\(", text):
        yield arguments(text[found.end() :])


def arguments(text: str) -> list[str]:
    """Up to the bracket that closes."""
    depth, found = 0, [""]
    for mark in text:
        if mark in "({[":
            depth += 1
        elif mark in ")}]":
            if not depth:
                break
            depth -= 1
        if mark == "," and not depth:
            found.append("")
        else:
            found[-1] += mark
    return [one.strip() for one in found]


def names(texts: list[str]) -> Iterator[str]:
    """The strings in them; of one that is put together, its beginning."""
    for text in texts:
        if found := re.match(r"'([\w:]*)'", text):
            yield found[1]
