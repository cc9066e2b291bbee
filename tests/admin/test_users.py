from pathlib import Path

import pytest

from tests.admin.site import HASH
from txn.admin.door.users import Role, read_users
from txn.errors import BadSettings


def refused(text: str) -> str:
    with pytest.raises(BadSettings) as caught:
        read_users(text)
    return str(caught.value)


def test_each_line_is_a_user() -> None:
    users = read_users(f"\n# the night shift\nada:operate:{HASH}\n  vic:view:{HASH}  \n")
    assert [(user.name, user.role, user.password_hash) for user in users.values()] == [
        ("ada", Role.OPERATE, HASH),
        ("vic", Role.VIEW, HASH),
    ]
    assert HASH not in repr(users)


def test_the_lines_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"ada:operate:{HASH}\n")
    assert list(read_users(f"@{file}")) == ["ada"]
    file.write_text(f"\nada:boss:{HASH}\n")
    assert refused(f"@{file}").startswith(f"TXN_ADMIN_USERS (@{file}) line 2: the role")


@pytest.mark.parametrize("text", ["", "\n", "# nobody"])
def test_without_lines_there_are_no_users(text: str) -> None:
    assert read_users(text) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f":view:{HASH}", "the name must be"),
        (f"a b:view:{HASH}", "the name must be"),
        (f"<script>:view:{HASH}", "the name must be"),
        (f"eve:root:{HASH}", "the role must be view or operate"),
        ("eve", "the role must be view or operate"),
        ("eve:view", "not a password hash"),
        ("eve:view:plain-password", "not a password hash"),
        ("eve:view:5f4dcc3b5aa765d61d8327deb882cf99", "not a password hash"),
        (f"ada:view:{HASH}", "a user of this name already"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_its_secret_is_not(line: str, said: str) -> None:
    message = refused(f"ada:operate:{HASH}\n\n{line}")
    assert message.startswith("TXN_ADMIN_USERS line 3: ")
    assert said in message
    secret = line.rpartition(":")[2]
    assert ":" not in line or secret not in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused(f"@{tmp_path}/nobody")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(f"@{tmp_path}/binary")
