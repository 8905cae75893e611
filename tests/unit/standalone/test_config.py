"""What a valid file means."""

import gc
from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.model.service import Advertisement, LabelSelector, Port
from roost.protocols.machine import Endpoint
from roost.standalone import SpeakerConfig, diff, environment_problems, load, why_elsewhere
from roost.standalone.document import parse
from roost.standalone.schema import all_keys

DOCS = Path(__file__).parents[3] / "docs"
KEY, OTHER_KEY = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="
Read = Callable[[str], SpeakerConfig]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(text: str) -> SpeakerConfig:
        path = tmp_path / "roost.yaml"
        path.write_text(text)
        loaded = load(path)
        assert not [each for each in loaded.problems if each.severity == "error"]
        assert loaded.config is not None
        return loaded.config

    return run


def services(*lines: str) -> str:
    return "services:\n" + "".join(f"- {{{line}}}\n" for line in lines)


def test_defaults(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOST_RUN_DIR")
    monkeypatch.setattr("socket.gethostname", lambda: "host-7")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    config = read("services: []")
    assert (config.node, config.interfaces, config.membership) == ("host-7", None, None)
    assert config.status.socket == Path("/run/roost/host-7.sock")
    assert (config.status.http, config.termination_grace) == (None, 10.0)
    assert (config.announce.gratuitous_rate, config.announce.gratuitous_refresh) == (5000, None)


def test_a_user_without_root_gets_a_socket_of_their_own(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOST_RUN_DIR")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert read("node: n1").status.socket == Path("/run/user/1000/roost/n1.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert read("node: n1").status.socket == Path("/run/roost/n1.sock")
    monkeypatch.setenv("ROOST_RUN_DIR", "/srv/roost")
    assert read("node: n1").status.socket == Path("/srv/roost/n1.sock")


def test_membership(read: Read) -> None:
    membership = read(
        "membership:\n"
        "  bind: '[2001:DB8::11]:7000'\n"
        "  join: [192.0.2.12, '192.0.2.13:8000', '2001:db8::14', 'n5.example.net:9000', n6]\n"
        f"  key: [{KEY}, {OTHER_KEY}]\n"
        "  label: blue\n"
        "  profile: fast\n"
    ).membership
    assert membership is not None
    assert membership.bind == membership.advertise == Endpoint("2001:db8::11", 7000)
    assert [str(each) for each in membership.join] == [
        "192.0.2.12:7946",
        "192.0.2.13:8000",
        "[2001:db8::14]:7946",
        "n5.example.net:9000",
        "n6:7946",
    ]
    assert membership.keys == (b"0123456789abcdef", b"fedcba9876543210")
    assert (membership.label, membership.profile) == (b"blue", "fast")
    assert "0123" not in repr(membership)


@pytest.mark.parametrize(("text", "rate"), [("", None), (", arpRate: 40", 40.0), (", arpRate: off", None)])
def test_the_budget_of_arp(read: Read, text: str, rate: float | None) -> None:
    membership = read(f"membership: {{bind: 192.0.2.1{text}}}").membership
    assert membership is not None
    assert membership.arp_rate == rate


def test_keys_come_from_lines_of_a_file_or_a_text(read: Read, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# new\n{KEY}\n\n  {OTHER_KEY}\r\n")
    from_file = read("membership: {bind: 192.0.2.1, keyFile: keys}").membership
    from_text = read(f"membership:\n  bind: 192.0.2.1\n  key: |\n    {KEY}\n    {OTHER_KEY}\n").membership
    assert from_file == from_text
    assert from_file is not None
    assert len(from_file.keys) == 2


def test_a_wildcard_bind_advertises_another_address(read: Read) -> None:
    membership = read("membership: {bind: '0.0.0.0:7000', advertise: '192.0.2.1:7001'}").membership
    assert membership is not None
    assert membership.advertise == Endpoint("192.0.2.1", 7001)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2), ("0.5", 0.5), ("500ms", 0.5), ("10s", 10), ("1m", 60), ("0", 0)]
)
def test_durations(read: Read, text: str, seconds: float) -> None:
    assert read(f"terminationGrace: {text}").termination_grace == seconds


def test_plain_values_follow_yaml_1_2(read: Read) -> None:
    config = read(
        "node: no\nlabels: {a: on, b: 2024-01-01, c: ''}\n"
        + services("name: s, addresses: [2001:2:3:4:5:6:7:8]")
    )
    assert config.node == "no"
    assert config.labels == {"a": "on", "b": "2024-01-01", "c": ""}
    assert config.services[0].addresses == (ip_address("2001:2:3:4:5:6:7:8"),)


@pytest.mark.parametrize(
    ("nodes", "names", "labels"),
    [
        ("[n1, n2]", {"n1", "n2"}, None),
        ("{rack: a, disk: ssd}", set(), (("disk", "ssd"), ("rack", "a"))),
        ("{names: [n1], labels: {rack: a}}", {"n1"}, (("rack", "a"),)),
        ("{labels: {rack: a}}", set(), (("rack", "a"),)),
    ],
)
def test_nodes_select_by_name_or_labels(
    read: Read, nodes: str, names: set[str], labels: tuple[tuple[str, str], ...] | None
) -> None:
    (service,) = read(services(f"name: s, addresses: [192.0.2.1], nodes: {nodes}")).desired().services
    selectors = (LabelSelector(match_labels=labels),) if labels else ()
    assert service.advertisements == (Advertisement("s", frozenset(names), selectors),)


def test_desired_state_is_sorted_and_complete(read: Read) -> None:
    config = read(
        "labels: {rack: a}\n"
        + services(
            "name: web, addresses: [192.0.2.2, '2001:db8::2'], interfaces: ['eth[01]'],"
            " ports: [{port: 53, protocol: UDP}]",
            "name: api, addresses: [192.0.2.1]",
        )
    )
    desired = config.desired()
    assert [service.name for service in desired.services] == ["api", "web"]
    assert desired.digest == config.digest
    web = desired.services[1]
    assert web.addresses == (ip_address("192.0.2.2"), ip_address("2001:db8::2"))
    assert web.advertisements[0].interfaces == ("eth[01]",)
    assert (web.deliver, web.ports, web.endpoint_nodes) == ("local", (Port(53, "UDP"),), None)
    assert desired.services[0].advertisements == (Advertisement("api"),)


def test_the_digest_is_stable_and_about_meaning(read: Read) -> None:
    one, two = (
        "name: a, addresses: [192.0.2.1, 2001:db8::1]",
        "name: b, addresses: [192.0.2.2], nodes: [n1, n2]",
    )
    digest = read("node: n1\n" + services(one, two)).digest
    assert digest == "48cbc552775d7546"
    respelled = services(
        "nodes: [n2, n1], name: b, addresses: [192.0.2.2]", "name: a, addresses: [192.0.2.1, '2001:DB8:0::1']"
    )
    assert read("node: n2\nterminationGrace: 1\n" + respelled).digest == digest
    assert read(services(one)).digest != digest
    assert read(services("name: a, addresses: [2001:db8::1, 192.0.2.1]", two)).digest != digest


def test_diff_names_what_changed(read: Read) -> None:
    first = "node: n1\nmembership: {bind: 192.0.2.1, join: [n2]}\n"
    old = read(first)
    assert diff(old, read("# moved\n\n" + first)) == frozenset()
    new = read(f"node: n1\nlabels: {{a: b}}\nmembership: {{bind: 192.0.2.1, key: {KEY}, profile: fast}}\n")
    assert diff(old, new) == {"labels", "membership.join", "membership.keys", "membership.profile"}
    assert diff(old, read("node: n1")) == {"membership"}


# --- against the host -----------------------------------------------------------------------------

LOCAL = [
    ("lo", ip_interface("192.0.2.200/32")),  # a service address that Roost put there
    ("eth0", ip_interface("192.0.2.11/24")),
    ("eth0", ip_interface("2001:db8::11/64")),
    ("eth1", ip_interface("198.51.100.11/24")),
]


def environment(config: SpeakerConfig) -> list[tuple[str, int, str, str]]:
    problems = environment_problems(config, LOCAL, links=["eth2"])
    assert all(problem.file == config.file for problem in problems)
    return [(each.severity, each.line, each.field, each.cause) for each in problems]


def test_addresses_of_connected_subnets_are_fine(read: Read) -> None:
    config = read(
        "interfaces: ['eth.']\n" + services("name: s, addresses: [192.0.2.200, '2001:db8::1', 198.51.100.1]")
    )
    assert environment(config) == []


def test_the_hosts_own_address_is_an_error(read: Read) -> None:
    config = read(
        services("name: a, addresses: [192.0.2.1]", "name: b, addresses: [192.0.2.2, '2001:db8::11']")
    )
    assert environment(config) == [
        ("error", 3, "services[1].addresses[1]", "2001:db8::11 is this host's own address on eth0")
    ]


def test_a_subnets_broadcast_address_is_an_error(read: Read) -> None:
    (problem,) = environment(read(services("name: a, addresses: [192.0.2.255]")))
    assert (problem[0], "broadcast" in problem[3]) == ("error", True)


def test_the_address_that_stands_for_a_subnet_is_an_error(read: Read) -> None:
    found = environment(read(services("name: a, addresses: [192.0.2.0, '2001:db8::', 198.51.100.7]")))
    assert [(severity, cause) for severity, _, _, cause in found] == [
        ("error", "192.0.2.0 stands for a subnet itself"),
        ("error", "2001:db8:: stands for a subnet itself"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("node: n1\n", None),
        ("node: n2\n", "its name is not n2 (node)"),
        ("node: n2\nmembership: {bind: '192.0.2.11:7946'}\n", None),
        ("node: n1\nmembership: {bind: '192.0.2.12:7946'}\n", "it lacks 192.0.2.12 (membership.bind)"),
        ("node: n1\nmembership: {bind: '0.0.0.0:1', advertise: '192.0.2.12:1'}\n", None),
    ],
)
def test_the_host_that_a_file_is_for_is_known_by_its_address_else_by_its_name(
    read: Read, text: str, why: str | None
) -> None:
    assert why_elsewhere(read(text), LOCAL, "n1") == why


def test_an_address_outside_every_announcing_subnet_is_a_warning(read: Read) -> None:
    config = read(
        "interfaces: [eth0]\n" + services("name: a, addresses: [203.0.113.1, 198.51.100.1, 192.0.2.1]")
    )
    assert [(severity, field) for severity, _, field, _ in environment(config)] == [
        ("warning", "services[0].addresses[0]"),
        ("warning", "services[0].addresses[1]"),
    ]


def test_without_any_address_to_hold_against_it_is_the_same_for_all(read: Read) -> None:
    config = read(
        "interfaces: [eth2]\n" + services("name: a, addresses: [192.0.2.1, 192.0.2.2, '2001:db8::2']")
    )
    assert [cause for _, _, _, cause in environment(config)] == [
        "no announcing interface here has an IPv4 address now",
        "no announcing interface here has an IPv4 address now",
        "no announcing interface here has an IPv6 address now",
    ]


def test_an_interface_that_is_not_there_yet_is_a_warning(read: Read) -> None:
    config = read(
        "interfaces: [eth0, eth2, wlan0]\n"
        + services("name: a, addresses: [192.0.2.1], interfaces: ['eth0', 'eth']")
    )
    assert [(severity, line, field) for severity, line, field, _ in environment(config)] == [
        ("warning", 1, "interfaces[2]"),
        ("warning", 3, "services[0].interfaces[1]"),
    ]


# --- documentation and hostile text ---------------------------------------------------------------


def test_a_text_that_was_read_leaves_no_cycles() -> None:
    """Nobody collects those after a reload (`roost.runtime.garbage`): the memory would grow with each."""
    gc.collect()
    gc.disable()
    try:
        assert parse(services(*(f"name: s{at}, addresses: [192.0.2.{at}]" for at in range(1, 50)))).root
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_examples_are_valid_and_use_documented_keys() -> None:
    examples = sorted((DOCS / "examples").glob("*.yaml"))
    assert examples
    for example in examples:
        loaded = load(example)
        assert loaded.problems == (), loaded.problems
        assert loaded.config is not None


def test_the_reference_page_has_every_key() -> None:
    page = (DOCS / "reference" / "configuration.md").read_text()
    missing = [".".join(path) for path in all_keys() if f"\n| `{path[-1]}` |" not in page]
    assert missing == []


_words = st.sampled_from(
    [
        "node",
        "labels",
        "interfaces",
        "membership",
        "services",
        "status",
        "announce",
        "bind",
        "join",
        "key",
        "keyFile",
        "label",
        "profile",
        "name",
        "addresses",
        "nodes",
        "names",
        "ports",
        "port",
        "protocol",
        "backends",
        "election",
        "socket",
        "http",
        "terminationGrace",
        "192.0.2.1",
        "2001:db8::1",
        "n1",
        "10s",
        "/k",
        "hash",
        "vrrp",
        "local",
        "forward",
        "web",
        "eth0",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "-",
        "&",
        "*",
        "!",
        "|",
        ">",
        "'",
        '"',
        "#",
        "?",
        "~",
        "0",
        "-1",
        "1e9",
        "null",
        "true",
        "%",
    ]
)
_texts = st.text() | st.lists(
    _words | st.sampled_from([" ", "\n", "\n  ", ": ", "\n- ", "\t"]), max_size=40
).map("".join)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _words | st.text(max_size=5)
_keys = st.sampled_from(sorted({key for path in all_keys() for key in path})) | st.text(max_size=3)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5)
)
_trees = st.dictionaries(_keys, _values, max_size=6).map(
    lambda tree: yaml.safe_dump(tree, allow_unicode=True)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(_texts | _trees)
def test_no_text_makes_load_raise(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    loaded = load(path)
    assert (loaded.config is None) == any(each.severity == "error" for each in loaded.problems)
    lines = len(text.splitlines()) + 1
    assert all(
        1 <= each.line <= lines and each.column >= 1 and each.cause and each.cure for each in loaded.problems
    )
