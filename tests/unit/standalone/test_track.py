"""`track`: what it means, what is wrong with it, and what this host lacks."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from roost.model.check import Check, Command, HttpQuestion, Interface, NumberFile, Process, TcpPort
from roost.standalone import Loaded, Problem, SpeakerConfig, absences, load

SERVICE = "services:\n- name: web\n  addresses: [192.0.2.200]\n"
Load = Callable[..., tuple[SpeakerConfig | None, tuple[Problem, ...]]]


@pytest.fixture
def loaded(load_text: Callable[[str], Loaded]) -> Load:
    def run(*entries: str) -> tuple[SpeakerConfig | None, tuple[Problem, ...]]:
        found = load_text(f"{SERVICE}  track:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
        return found.config, found.problems

    return run


def test_what_each_kind_means(loaded: Load) -> None:
    config, problems = loaded(
        'tcp: "127.0.0.1:80", interval: 500ms, timeout: 2s, rise: 4, fall: 5',
        'tcp: "[::1]:80"',
        'http: "https://127.0.0.1:6443/livez", expect: "200-399", caFile: /etc/kubernetes/pki/ca.crt',
        'http: "http://localhost:8080/", expect: 204, host: web.example, match: "^READY"',
        'http: "https://192.0.2.11/", expect: "200, 300-302", serverName: kubernetes',
        "command: [/usr/local/bin/check-db, --quick], timeout: 2s, weight: -50",
        "process: {pidFile: /run/haproxy.pid}",
        "process: {name: haproxy}, rise: 3",
        "interface: eth1",
        "file: /etc/roost/weight",
        'tcp: "[::1]:80"',
    )
    assert problems == ()
    assert config is not None
    (service,) = config.desired().services
    assert service.track == (
        Check(TcpPort("127.0.0.1", 80), 0.5, 2.0, rise=4, fall=5),
        Check(TcpPort("::1", 80), 1.0, 1.0, rise=2, fall=3),
        Check(
            HttpQuestion("https://127.0.0.1:6443/livez", ca_file="/etc/kubernetes/pki/ca.crt"), rise=2, fall=3
        ),
        Check(
            HttpQuestion("http://localhost:8080/", ((204, 204),), host="web.example", body="^READY"),
            rise=2,
            fall=3,
        ),
        Check(
            HttpQuestion("https://192.0.2.11/", ((200, 200), (300, 302)), server_name="kubernetes"),
            rise=2,
            fall=3,
        ),
        Check(Command(("/usr/local/bin/check-db", "--quick")), timeout=2.0, rise=2, fall=3, weight=-50),
        Check(Process(pid_file="/run/haproxy.pid")),
        Check(Process(name="haproxy"), rise=3),
        Check(Interface("eth1")),
        Check(NumberFile("/etc/roost/weight")),
    ), "what is given twice is checked once"


def test_nodes_may_check_differently(loaded: Load) -> None:
    one, two = loaded("interface: eth1")[0], loaded("interface: eth2")[0]
    assert one is not None
    assert two is not None
    assert one.digest == two.digest


@pytest.mark.parametrize(
    ("entry", "field", "cause", "cure"),
    [
        ("interval: 1s", "", "checks nothing", "one of tcp, http, command, process, interface, file"),
        ('tcp: "127.0.0.1:80", interface: eth1', "", "tcp and interface are two kinds", "one of"),
        ('tcp: "127.0.0.1"', ".tcp", "has no port", "address:port"),
        ('tcp: "web:80"', ".tcp", "'web' is not an IP address", "192.0.2.10"),
        ('http: "ftp://192.0.2.1/"', ".http", "is not a URL of http or https", "https://"),
        ('http: "/livez"', ".http", "is not a URL", "https://127.0.0.1:6443/livez"),
        ('http: "http://u:secret@192.0.2.1/"', ".http", "has a password", "without"),
        ('http: "http://192.0.2.1:99999/"', ".http", "is not a URL", "https://"),
        ('http: "http://192.0.2.1/", expect: 700', ".expect", "no status", "200-399"),
        ('http: "http://192.0.2.1/", expect: "300-200"', ".expect", "no status", "200-399"),
        ('http: "http://192.0.2.1/", expect: [200]', ".expect", "no status", "200-399"),
        ('http: "http://192.0.2.1/", match: "("', ".match", "not a regular expression", "correct it"),
        ('http: "http://192.0.2.1/", caFile: /ca.crt', "", "caFile is of https alone", "https://"),
        ("interface: eth1, expect: 200", "", "expect is of http alone", "remove it"),
        ("command: /bin/true", ".command", "is not a list", "[/usr/local/bin/check, -q]"),
        ("command: []", ".command", "is not a list", "write the program"),
        ("command: [bin/check]", ".command", "begins with no program", "absolute path"),
        ("command: [/bin/sleep, 5]", ".command", "5 is not a text", "quote"),
        ("process: haproxy", ".process", "is not a mapping", "{key: value}"),
        ("process: {}", ".process", "names no process", "{name: haproxy}"),
        ("process: {name: a, pidFile: /a}", ".process", "in two ways", "pidFile"),
        ("process: {name: /usr/sbin/haproxy}", ".process.name", "is a path", "name alone"),
        ("process: {pidfile: /a}", ".process.pidfile", "not a known key", "did you mean pidFile?"),
        ("process: {pidFile: haproxy.pid}", ".process.pidFile", "not an absolute path", "begin it with /"),
        ("interface: a-name-of-16-byte", ".interface", "no name of an interface", "eth1"),
        ("file: weight", ".file", "not an absolute path", "begin it with /"),
        ("file: /w, weight: 5", "", "the weight of a file is the number in it", "remove weight"),
        ("interface: eth1, weight: 0", ".weight", "0 changes nothing", "makes unfit"),
        ("interface: eth1, weight: 1001", ".weight", "from -1000 to 1000", "unquoted"),
        ("interface: eth1, interval: 1ms", ".interval", "out of range", "0.05 s"),
        ("interface: eth1, timeout: never", ".timeout", "'never' is not a duration", "500ms"),
        ("interface: eth1, rise: 0", ".rise", "from 1 to 1000", "unquoted"),
        ("interface: eth1, retries: 3", ".retries", "not a known key", "known here: tcp, http"),
    ],
)
def test_each_mistake_has_its_place_and_cure(
    loaded: Load, entry: str, field: str, cause: str, cure: str
) -> None:
    config, problems = loaded("interface: eth9", entry)
    assert config is None
    (problem,) = problems
    assert problem.field == f"services[0].track[1]{field}"
    assert problem.line == 6
    assert cause in problem.cause
    assert cure in problem.cure
    assert "secret" not in str(problem)


@pytest.mark.parametrize("page", ["how-to/health-decides.md", "reference/configuration.md"])
def test_what_the_pages_show_is_good(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text()
    blocks = [found[0] for found in re.finditer(r"^( *)track:\n(?:\1  - .*\n)+", text, re.MULTILINE)]
    assert blocks
    for block in blocks:
        path = tmp_path / "roost.yaml"
        path.write_text(SERVICE + textwrap.indent(textwrap.dedent(block), "  "))
        assert load(path).problems == (), block


def test_an_empty_list_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text(f"{SERVICE}  track: []\n")
    (problem,) = load(path).problems
    assert (problem.field, problem.cause) == ("services[0].track", "is empty")


def test_what_this_host_lacks_is_a_warning_at_its_place(loaded: Load, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("1")
    config, _ = loaded(
        f"command: [{tmp_path}/none]",
        f"command: [{there}]",
        f'http: "https://192.0.2.1/", caFile: {tmp_path}/none',
        f"process: {{pidFile: {tmp_path}/none}}",
        "interface: eth9",
        f"file: {tmp_path}/none",
        "command: [sh]",
        f"file: {there}",
        "interface: eth0",
        f"process: {{pidFile: {there}}}",
    )
    assert config is not None
    found = absences(config, ["eth0"])
    assert [(each.severity, each.line, each.field.rpartition("]")[2]) for each in found] == [
        ("warning", 5, ".command"),
        ("warning", 6, ".command"),
        ("warning", 7, ".caFile"),
        ("warning", 8, ".process"),
        ("warning", 9, ".interface"),
        ("warning", 10, ".file"),
    ]
    assert "does not exist here: that fails" in found[0].cause
    assert "is no program" in found[1].cause
