import os
from pathlib import Path

import pytest

from tests.callbacks.receiver import KEY, OLD_SECRET, SECRET, line
from txn.callbacks.lanes import FIRST, MOST, SLOW_S, Lanes
from txn.callbacks.rules import CallbackRules, is_public, read_endpoints
from txn.endpoints import Endpoints, shown
from txn.errors import BadSettings, Invalid
from txn.settings import Settings
from txn.signatures import new_secret, secret_bytes

SHOP = "https://shop.example/hooks"


def rules(**values: object) -> CallbackRules:
    settings = Settings.model_validate({"callbacks": line("shop", SHOP) + line("bare", "-"), **values})
    return CallbackRules(settings, read_endpoints(settings))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *(
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ),
        *("2001:0:53aa:64c:0:0:0:1", "", "shop.example", "/run/socket"),
    ],
)
def test_no_public_address_is(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)


def test_networks_that_are_named_are_allowed_too() -> None:
    found = rules(callback_networks="10.1.0.0/16, ::1")
    assert [found.may_connect_to(one) for one in ("10.1.2.3", "::1", "::ffff:10.1.0.1", "8.8.8.8")] == [True] * 4
    assert not found.may_connect_to("10.2.0.1")
    assert not rules().may_connect_to("")


def test_a_client_is_told_where_its_line_says() -> None:
    found = rules()
    assert [found.wanted(client, "") for client in ("shop", "bare", "other")] == ["client", "", ""]
    assert found.target("shop", "client")[0] == SHOP


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("a.example", "https://a.example/x"),
        ("a.example", "https://a.example:443/x"),
        ("a.example:8443", "https://a.example:8443/x?y=z"),
        ("b.example, *.a.example", "https://x.y.a.example"),
        ("[::1]", ""),
    ],
)
def test_a_submission_may_name_a_url_on_these_hosts(hosts: str, url: str) -> None:
    if url:
        assert rules(callback_hosts=hosts).wanted("bare", url) == url
        assert rules(callback_hosts=hosts).target("bare", url)[0] == url


@pytest.mark.parametrize(
    ("hosts", "client", "url", "said"),
    [
        ("", "shop", "https://a.example/", "TXN_CALLBACK_HOSTS names no hosts"),
        ("a.example", "other", "https://a.example/", "without a secret"),
        ("a.example", "shop", "https://b.example/", "on a host that"),
        ("a.example", "shop", "https://a.example:8443/", "on a host that"),
        ("a.example", "shop", "https://x.a.example/", "on a host that"),
        ("*.a.example", "shop", "https://a.example/", "on a host that"),
        ("*.a.example", "shop", "https://xa.example/", "on a host that"),
        ("a.example", "shop", "https://a.example.evil.example/", "on a host that"),
        ("a.example", "shop", "https://a.example@evil.example/", "must be https://"),
        ("a.example", "shop", "https://evil.example\\@a.example/", "must be https://"),
        ("a.example", "shop", "https://user:pass@a.example/", "must be https://"),
        ("a.example", "shop", "http://a.example/", "must be https://"),
        ("a.example", "shop", "HTTPS://a.example:0/", "must be https://"),
        ("a.example", "shop", "https://a.example:99999/", "must be https://"),
        ("a.example", "shop", "ftp://a.example/", "must be https://"),
        ("a.example", "shop", "//a.example/", "must be https://"),
        ("a.example", "shop", "a.example", "must be https://"),
        ("a.example", "shop", "client", "must be https://"),
        ("a.example", "shop", "https://a.example/#x", "must be https://"),
        ("a.example", "shop", "https://a.example/ x", "must be https://"),
        ("a.example", "shop", "https://a.example/\r\nx: y", "must be https://"),
        ("a.example", "shop", "https://a.example/" + "x" * 2048, "must be https://"),
        ("a.example", "shop", "https://\uff41.example/", "must be https://"),
        ("a.example", "shop", "https://a%2eexample/", "must be https://"),
    ],
)
def test_any_other_url_is_refused(hosts: str, client: str, url: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        rules(callback_hosts=hosts).wanted(client, url)
    assert caught.value.field == "callbackUrl"


def test_http_is_taken_where_that_is_allowed() -> None:
    url = "http://a.example/"
    assert rules(callback_hosts="a.example", allow_http_callbacks=True).wanted("shop", url) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop https://a.example/", "the line must be CLIENT URL SECRET"),
        ("shop https://a.example/ whsec_short", "a secret must be whsec_"),
        (f"shop https://a.example/ {SECRET},{SECRET[6:]}", "a secret must be whsec_"),
        (f"shop http://a.example/ {SECRET}", "the URL must be https://"),
        (f"sh:op https://a.example/ {SECRET}", "the line must be"),
        (f"{line('shop', '-')}shop - {SECRET}", "TXN_CALLBACKS line 2: this client has a line already"),
    ],
)
def test_a_wrong_line_is_named_and_not_shown(text: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said) as caught:
        Settings.from_environment({"TXN_CALLBACKS": text})
    assert SECRET not in str(caught.value)
    assert SECRET[6:] not in str(caught.value)


def test_comments_and_empty_lines_do_not_count() -> None:
    found = Endpoints.parse(f"# ours\n\n  {line('default', '-', SECRET, OLD_SECRET)}", "here").of("")
    assert found is not None
    assert found.secrets == (KEY, secret_bytes(OLD_SECRET))
    assert SECRET not in repr(found)


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "callbacks"
    path.write_text(line("shop", SHOP))
    endpoints = read_endpoints(Settings(callbacks_file=str(path)))
    assert len(endpoints()) == 1
    path.write_text(line("shop", SHOP) + line("other", "-"))
    os.utime(path, ns=(1, 1))
    endpoints._next_look_s = 0.0  # type: ignore[attr-defined]
    assert len(endpoints()) == 2


def test_a_file_that_is_not_there_is_said_at_the_start() -> None:
    with pytest.raises(BadSettings, match="TXN_CALLBACKS_FILE=/none: the file cannot be read"):
        read_endpoints(Settings(callbacks_file="/none"))


@pytest.mark.parametrize("hosts", ["a b", "https://a.example", "a.example:x", "a.example/", "*", "*.", "a.example:"])
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(BadSettings, match="TXN_CALLBACK_HOSTS"):
        Settings.from_environment({"TXN_CALLBACK_HOSTS": hosts})


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(BadSettings, match="TXN_CALLBACK_NETWORKS"):
        Settings.from_environment({"TXN_CALLBACK_NETWORKS": "10.0.0.0/99"})


def test_a_new_secret_is_one() -> None:
    assert len(secret_bytes(new_secret())) == 32
    assert new_secret() != new_secret()


def test_a_url_is_shown_without_its_query() -> None:
    assert [shown("https://a/b?c=d"), shown("https://a/b"), shown("client")] == [
        "https://a/b?…",
        "https://a/b",
        "client",
    ]


def after(answers: list[tuple[bool, float]]) -> list[tuple[int, str]]:
    """The window and the kind of a lane after each of these answers."""
    lanes, seen = Lanes(100), []
    for answered, took_s in answers:
        lanes.begin("a")
        lanes.end("a", answered=answered, took_s=took_s)
        seen.append(lanes.room().of["a"])
    return list(seen)


def test_a_window_grows_with_answers_and_shrinks_with_failures() -> None:
    seen = after([(True, 0.1)] * 20 + [(False, 0.1)] * 6 + [(True, 0.1)])
    assert seen[:3] == [(FIRST + number, "proven") for number in (1, 2, 3)]
    assert seen[19] == (MOST, "proven")
    assert seen[20:] == [*((size, "failing") for size in (8, 4, 2, 1, 1, 1)), (2, "proven")]


def test_who_answers_slowly_is_not_proven_and_shrinks_no_further_than_it_began() -> None:
    seen = after([(True, 0.1)] * 3 + [(True, SLOW_S)] * 5 + [(True, 0.1)])
    assert seen[2:] == [(4, "proven"), *((size, "unproven") for size in (3, 2, 1, 1, 1)), (2, "proven")]


def test_any_number_of_new_receivers_leaves_half_of_the_places_and_of_those_that_fail_three_quarters() -> None:
    lanes = Lanes(8)
    for name in ("good", "bad"):
        lanes.begin(name)
        lanes.end(name, answered=name == "good")
    lanes.begin("bad")
    assert (lanes.room().free, lanes.room().of_unproven, lanes.room().of_failing) == (7, 3, 1)
    for number in range(3):
        lanes.begin(f"new {number}")
    room = lanes.room()
    assert (room.free, room.of_unproven, room.of["good"]) == (4, 0, (FIRST + 1, "proven"))


def test_no_more_receivers_are_kept_in_mind_than_a_thousand() -> None:
    lanes = Lanes(10)
    lanes.begin("held")
    for number in range(1_500):
        lanes.begin(f"lane {number}")
        lanes.end(f"lane {number}", answered=False)
    assert len(lanes.room().of) == 1_000
    assert "held" in lanes.room().of


def test_a_url_is_written_in_one_way() -> None:
    found = rules(callback_hosts="a.example").wanted("shop", "HTTPS://A.Example/X?Y=Z")
    assert found == "https://a.example/X?Y=Z"
