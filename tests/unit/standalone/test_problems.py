"""Every bad file gets its problem at its line, with its field and a cure; all problems at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from roost.standalone import Loaded, Problem, load
from roost.standalone.document import MAX_DEPTH
from roost.standalone.loader import MAX_BYTES

Check = Callable[[str], tuple[Problem, ...]]

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="  # 16 bytes
SERVICE = "services:\n- name: web\n  addresses: [192.0.2.1]\n"


@pytest.fixture
def check(load_text: Callable[[str], Loaded]) -> Check:
    """Load a text and return its problems; there is a configuration exactly when there is no error."""

    def run(text: str) -> tuple[Problem, ...]:
        loaded = load_text(text)
        assert (loaded.config is None) == any(each.severity == "error" for each in loaded.problems)
        return loaded.problems

    return run


def vip(text: str) -> str:
    return f"services:\n- name: web\n  addresses: [192.0.2.1, {text}]\n"


@pytest.mark.parametrize(
    ("text", "place", "field", "cause", "cure"),
    [
        # shape
        ("nod: n1\n", "1:1", "nod", "not a known key", "did you mean node?"),
        ("Interfaces: [a]\n", "1:1", "Interfaces", "not a known key", "did you mean interfaces?"),
        ("zzz: 1\n", "1:1", "zzz", "not a known key", "known here: node, labels, "),
        ("'a b': 1\n", "1:1", "['a b']", "not a known key", "known here"),
        (
            "membership: {bind: 192.0.2.1, keyfile: x}\n",
            "1:31",
            "membership.keyfile",
            "not a known",
            "keyFile",
        ),
        ("node: n1\n\nnode: n2\n", "3:1", "node", "given twice, first in line 1", "keep one"),
        ("services:\n", "1:10", "services", "has no value", "remove it"),
        ("interfaces: [eth0, ~]\n", "1:20", "interfaces[1]", "has no value", "remove it"),
        ("- a\n", "1:1", "", "is not a mapping", "key: value"),
        ("interfaces: eth0\n", "1:13", "interfaces", "is not a list", "[one]"),
        ("labels: [a]\n", "1:9", "labels", "is not a mapping", "key: value"),
        ("services: [1]\n", "1:12", "services[0]", "is not a mapping", "key: value"),
        ("node: 17\n", "1:7", "node", "17 is not a text", "quote"),
        ("node: [n1]\n", "1:7", "node", "a list is not a text", "quote"),
        ("node: 'a b'\n", "1:7", "node", "'a b' is not a name", "letters"),
        ("node: ''\n", "1:7", "node", "is empty", "give it a value"),
        ("labels: {rack: 1}\n", "1:16", "labels.rack", "1 is not a text", "quote"),
        ("labels: {rack: true}\n", "1:16", "labels.rack", "true is not a text", "quote"),
        # interfaces
        ("interfaces: [eth0, 'eth(']\n", "1:20", "interfaces[1]", "not a regular expression", "correct it"),
        ("interfaces: []\n", "1:13", "interfaces", "is empty", "remove the key"),
        (
            f"{SERVICE}  interfaces: ['*']\n",
            "4:16",
            "services[0].interfaces[0]",
            "not a regular",
            "correct it",
        ),
        # membership
        ("membership: {join: []}\n", "1:13", "membership.bind", "is missing", "add it"),
        (
            "membership: {bind: n1:7946}\n",
            "1:20",
            "membership.bind",
            "'n1' is not an IP address",
            "192.0.2.10",
        ),
        ("membership: {bind: 192.0.2.1:0}\n", "1:20", "membership.bind", "not a port", "address:port"),
        ("membership: {bind: 192.0.2.1:65536}\n", "1:20", "membership.bind", "not a port", "address:port"),
        ("membership: {bind: '192.0.2.1:'}\n", "1:20", "membership.bind", "not a port", "address:port"),
        (
            "membership: {bind: '2001:db8::1:7946'}\n",
            "1:20",
            "membership.bind",
            "may be an address, or an address and a port",
            "write [2001:db8::1]:7946, or [2001:db8::1:7946] for such an address",
        ),
        (
            'membership: {bind: "192.0.2.1\\nport: 2:7946"}\n',
            "1:20",
            "membership.bind",
            r"'192.0.2.1\nport: 2:7946' is not an IP address",
            "192.0.2.10",
        ),
        ("membership: {bind: '[192.0.2.1]:1'}\n", "1:20", "membership.bind", "not an IPv6", "brackets"),
        ("membership: {bind: 0.0.0.0}\n", "1:20", "membership.bind", "which address", "membership.advertise"),
        (
            "membership: {bind: 192.0.2.1, join: [192.0.2.2, 192.0.2.300]}\n",
            "1:49",
            "membership.join[1]",
            "'192.0.2.300' is not an IP address",
            "192.0.2.10",
        ),
        (
            f"membership: {{bind: 192.0.2.1, key: [{KEY}, c2hvcnQ=]}}\n",
            "1:63",
            "membership.key[1]",
            "has 5 bytes, not 16, 24 or 32",
            "head -c 32",
        ),
        ("membership: {bind: 192.0.2.1, key: '%%'}\n", "1:36", "membership.key", "not base64", "head -c 32"),
        ("membership: {bind: 192.0.2.1, key: []}\n", "1:36", "membership.key", "is empty", "add an entry"),
        (
            "membership: {bind: 192.0.2.1, keyFile: /nonexistent/k}\n",
            "1:40",
            "membership.keyFile",
            "/nonexistent/k cannot be read: No such file",
            "check the path",
        ),
        (
            "membership: {bind: 192.0.2.1, profile: fst}\n",
            "1:40",
            "membership.profile",
            "'fst'",
            "mean fast?",
        ),
        *(
            (
                f"membership: {{bind: 192.0.2.1, arpRate: {value}}}\n",
                "1:40",
                "membership.arpRate",
                "neither off nor a whole number from 2",
                "off for no limit",
            )
            for value in ("0", "1.5", "fast", "true")
        ),
        (
            f"membership: {{bind: 192.0.2.1, label: '{'x' * 256}'}}\n",
            "1:38",
            "membership.label",
            "more than 255",
            "shorten",
        ),
        # services
        ("services:\n- addresses: [192.0.2.1]\n", "2:3", "services[0].name", "is missing", "add it"),
        ("services:\n- name: web\n", "2:3", "services[0].addresses", "is missing", "add it"),
        (
            "services:\n- name: web\n  addresses: []\n",
            "3:14",
            "services[0].addresses",
            "is empty",
            "add an entry",
        ),
        (vip("192.0.2.256"), "3:26", "services[0].addresses[1]", "'192.0.2.256' is not an IP", "192.0.2.10"),
        (vip("192.0.2.2/32"), "3:26", "services[0].addresses[1]", "is a range", "such as '192.0.2.2'"),
        (vip("fe80::1%eth0"), "3:26", "services[0].addresses[1]", "has a zone", "leave out"),
        (vip("224.0.0.5"), "3:26", "services[0].addresses[1]", "a multicast address", "unicast"),
        (vip("ff02::1"), "3:26", "services[0].addresses[1]", "a multicast address", "unicast"),
        (vip("127.0.0.1"), "3:26", "services[0].addresses[1]", "a loopback address", "unicast"),
        (vip("'::1'"), "3:26", "services[0].addresses[1]", "a loopback address", "unicast"),
        (vip("0.0.0.0"), "3:26", "services[0].addresses[1]", "the unspecified address", "unicast"),
        (vip("'::'"), "3:26", "services[0].addresses[1]", "the unspecified address", "unicast"),
        (vip("0.1.2.3"), "3:26", "services[0].addresses[1]", "0.0.0.0/8", "unicast"),
        (vip("169.254.1.1"), "3:26", "services[0].addresses[1]", "a link-local address", "unicast"),
        (vip("fe80::1"), "3:26", "services[0].addresses[1]", "a link-local address", "clients' subnet"),
        (vip("255.255.255.255"), "3:26", "services[0].addresses[1]", "the broadcast address", "unicast"),
        (vip("'::ffff:192.0.2.9'"), "3:26", "services[0].addresses[1]", "an IPv4-mapped address", "unicast"),
        (vip("192.0.2.1"), "3:26", "services[0].addresses[1]", "this service already, in line 3", "keep one"),
        (
            f"{SERVICE}- name: dns\n  addresses:\n  - 192.0.2.1\n",
            "6:5",
            "services[1].addresses[0]",
            "belongs to service web already, in line 3",
            "its own address",
        ),
        (
            "services:\n- {name: a, addresses: ['2001:db8::1']}\n- {name: b, addresses: ['2001:DB8:0::1']}\n",
            "3:25",
            "services[1].addresses[0]",
            "belongs to service a already, in line 2",
            "its own address",
        ),
        (
            f"{SERVICE}- name: web\n  addresses: [192.0.2.2]\n",
            "4:9",
            "services[1].name",
            "another service has this name, in line 2",
            "rename",
        ),
        (
            f"membership: {{bind: '192.0.2.1:7946'}}\n{SERVICE}",
            "4:15",
            "services[0].addresses[0]",
            "this node's own address",
            "free address",
        ),
        (f"{SERVICE}  nodes: []\n", "4:10", "services[0].nodes", "is empty", "remove the key to allow all"),
        (f"{SERVICE}  nodes: {{}}\n", "4:10", "services[0].nodes", "is empty", "remove the key to allow all"),
        (
            f"{SERVICE}  nodes: {{names: []}}\n",
            "4:18",
            "services[0].nodes.names",
            "is empty",
            "remove the key",
        ),
        (f"{SERVICE}  nodes: n1\n", "4:10", "services[0].nodes", "neither a list of names", "[n1, n2]"),
        (f"{SERVICE}  nodes: [n1, 2]\n", "4:15", "services[0].nodes[1]", "2 is not a text", "quote"),
        (f"{SERVICE}  nodes: {{zone: 2}}\n", "4:17", "services[0].nodes.zone", "2 is not a text", "quote"),
        (
            f"{SERVICE}  nodes: {{names: [a], lables: {{}}}}\n",
            "4:23",
            "services[0].nodes.lables",
            "not a known",
            "labels?",
        ),
        (f"{SERVICE}  ports: [{{port: 0}}]\n", "4:18", "services[0].ports[0].port", "1 to 65535", "unquoted"),
        (
            f"{SERVICE}  ports: [{{port: '80'}}]\n",
            "4:18",
            "services[0].ports[0].port",
            "1 to 65535",
            "unquoted",
        ),
        (
            f"{SERVICE}  ports: [{{port: true}}]\n",
            "4:18",
            "services[0].ports[0].port",
            "1 to 65535",
            "unquoted",
        ),
        (
            f"{SERVICE}  ports: [{{port: 1, protocol: tcp}}]\n",
            "4:31",
            "services[0].ports[0].protocol",
            "'tcp'",
            "TCP",
        ),
        # not yet
        (
            f"{SERVICE}  sharing: per-client\n  election: {{vrrp: {{vrid: 1}}}}\n",
            "4:12",
            "services[0].sharing",
            "one master",
            "remove one",
        ),
        (
            f"{SERVICE}  sharing: per-client\n  deliver: forward\n  ports: [{{port: 80}}]\n"
            "  backends: [{address: 198.51.100.6}]\n  forward: {source: masquerade}\n",
            "4:12",
            "services[0].sharing",
            "one node balances",
            "remove one",
        ),
        (f"{SERVICE}  deliver: proxy\n", "4:12", "services[0].deliver", "not a choice", "local or forward"),
        (f"{SERVICE}  backends: []\n", "4:13", "services[0].backends", "is empty", "add an entry"),
        (
            f"{SERVICE}  sharing: {{by: conection}}\n",
            "4:17",
            "services[0].sharing.by",
            "not a choice",
            "connection",
        ),
        (
            f"{SERVICE}  nodes: [n1]\n  sharing: {{weights: {{n1: 1, n9: 1}}}}\n",
            "5:30",
            "services[0].sharing.weights.n9",
            "not among the service's nodes",
            "correct the name",
        ),
        (
            f"{SERVICE}  sharing: {{weights: {{n1: -1}}}}\n",
            "4:27",
            "services[0].sharing.weights.n1",
            "-1",
            "write",
        ),
        (f"{SERVICE}  sharing: all\n", "4:12", "services[0].sharing", "not a choice", "choose leader"),
        # the rest
        ("status: {http: ':80'}\n", "1:16", "status.http", "'' is not an IP address", "192.0.2.10"),
        ("status: {http: 127.0.0.1}\n", "1:16", "status.http", "has no port", "address:port"),
        (f"status: {{socket: /{'x' * 107}}}\n", "1:18", "status.socket", "more than 107 bytes", "shorter"),
        (
            "announce: {gratuitousRate: 1.5}\n",
            "1:28",
            "announce.gratuitousRate",
            "1.5 is not a whole",
            "number",
        ),
        (
            "announce: {gratuitousRefresh: 1ms}\n",
            "1:31",
            "announce.gratuitousRefresh",
            "out of range",
            "between",
        ),
        ("terminationGrace: 10 parsecs\n", "1:19", "terminationGrace", "not a duration", "500ms"),
        ("terminationGrace: -1\n", "1:19", "terminationGrace", "out of range", "between"),
        ("terminationGrace: true\n", "1:19", "terminationGrace", "not a duration", "500ms"),
        (f"node: {'x' * 120}\n", "1:7", "node", "default socket", "status.socket"),
        # no YAML at all
        ("", "1:1", "", "the file is empty", "roost init"),
        ("# nothing\n", "1:1", "", "the file is empty", "roost init"),
        ("node: [n1\n", "2:1", "", "is not YAML", "brackets"),
        ("node:\n\t- n1\n", "2:1", "", "is not YAML", "no tabs"),
        ("node: n1\n---\nnode: n2\n", "2:1", "", "more than one YAML document", "keep one"),
        ("node: a\nlabels: {x: \x07}\n", "2:13", "", "a character that YAML does not allow", "remove"),
        ("node: !!python/name:os.system x\n", "1:7", "", "tag", "remove the tag"),
        ("node: *x\n", "1:7", "", "alias", "write the value out"),
        ("labels: &a {x: *a}\n", "1:16", "", "alias", "write the value out"),
        ("? [a]\n: b\n", "1:3", "", "key is not a plain text", "quote the key"),
        ("[" * 10_000, f"1:{MAX_DEPTH + 1}", "", "nested deeper", "brackets"),
    ],
)
def test_problem(check: Check, text: str, place: str, field: str, cause: str, cure: str) -> None:
    (problem,) = check(text)
    assert (f"{problem.line}:{problem.column}", problem.field, problem.severity) == (place, field, "error")
    assert cause in problem.cause
    assert cure in problem.cure


def test_all_problems_come_at_once_in_the_order_of_the_file(check: Check) -> None:
    problems = check(
        "nod: n1\n"
        "membership: {bind: x, key: a, keyFile: /nonexistent}\n"
        "services:\n"
        "- {name: a, addresses: [192.0.2.1], deliver: proxy}\n"
        "- {name: a, addresses: [192.0.2.1, 224.0.0.1]}\n"
        "- {addresses: }\n"
        "terminationGrace: soon\n"
    )
    assert [(each.line, each.field) for each in problems] == [
        (1, "nod"),
        (2, "membership.bind"),
        (2, "membership.key"),
        (2, "membership.keyFile"),
        (2, "membership.keyFile"),
        (4, "services[0].deliver"),
        (5, "services[1].name"),
        (5, "services[1].addresses[0]"),
        (5, "services[1].addresses[1]"),
        (6, "services[2].name"),
        (6, "services[2].addresses"),
        (7, "terminationGrace"),
    ]


def test_a_problem_prints_as_compilers_do(check: Check) -> None:
    (problem,) = check("nod: n1\n")
    assert str(problem) == f"{problem.file}:1:1: error: nod: is not a known key (did you mean node?)"


def test_an_alias_bomb_is_refused_quickly(check: Check) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (problem,) = check("\n".join(lines))
    assert "more than 200,000 values" in problem.cause


def test_an_alias_shares_a_value(check: Check) -> None:
    problems = check(
        "interfaces: &ports [eth0]\nservices: [{name: a, addresses: [192.0.2.1], interfaces: *ports}]\n"
    )
    assert problems == ()


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    for path, cause in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        (problem,) = load(path).problems
        assert problem.file == str(path)
        assert cause in problem.cause
        assert "permissions" in problem.cure


def test_a_file_that_is_not_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    path.write_bytes(b"node: n1\nlabels: {a: \xff}\n")
    (problem,) = load(path).problems
    assert (problem.line, problem.cause) == (2, "is not UTF-8 text")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    (problem,) = load(path).problems
    assert "larger than 4 MiB" in problem.cause


# --- keys never show ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "key: 'SECRETSECRET'",
        "key: [SECRETSECRET]",
        "key: {SECRET: SECRET}",
        "key: [[SECRET]]",
        "keyFile: k",
        "keyFile: U0VDUkVUU0VDUkVUU0VDUg==",
    ],
)
def test_no_message_holds_a_key(tmp_path: Path, written: str) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text(f"membership: {{bind: 192.0.2.1, {written}}}\n")
    (tmp_path / "k").write_text("SECRETSECRET\n")
    problems = load(path).problems
    assert problems
    assert not any("SECRET" in str(each) or "U0VD" in str(each) for each in problems)


def test_a_bad_key_file_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text("membership:\n  bind: 192.0.2.1\n  keyFile: gossip.key\n")
    (tmp_path / "gossip.key").write_text(f"{KEY}\n\nc2hvcnQ=\n")
    (problem,) = load(path).problems
    assert (problem.line, problem.field) == (3, "membership.keyFile")
    assert problem.cause == f"line 3 of {tmp_path / 'gossip.key'} has 5 bytes, not 16, 24 or 32"
    (tmp_path / "gossip.key").write_text("# none\n")
    assert "holds no key" in load(path).problems[0].cause
