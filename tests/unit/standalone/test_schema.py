"""The JSON schemas: made of the types, refusing what the reader refuses, printed by the commands."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.schemas import FOLDER, configurations

from roost.cli import main
from roost.cli.schema import editor_line
from roost.standalone import Loaded

ROOT = Path(__file__).parents[3]
SERVICE = "services:\n- name: web\n  addresses: [192.0.2.200]\n"
VRRP = f"{SERVICE}  election: {{vrrp: {{vrid: 51, %s}}}}\n"
TRACK = f"{SERVICE}  track: [{{%s}}]\n"
FORWARD = (
    f"{SERVICE}  deliver: forward\n  ports: [{{port: 80}}]\n"
    "  backends: [{address: 198.51.100.6}]\n  forward: {source: masquerade, %s}\n"
)


def test_they_are_what_the_types_and_the_reference_say(tmp_path: Path) -> None:
    build = ROOT / "tools" / "build_schema.py"
    subprocess.run((sys.executable, str(build), str(tmp_path)), check=True)
    made = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert made == {each.name: each.read_text() for each in FOLDER.iterdir()}, "run: make schema"


@pytest.mark.parametrize(("name", "argv"), [("configuration", ("check",)), ("status", ("status",))])
def test_commands_print_them(name: str, argv: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*argv, "--schema"])
    assert (done.exit_code, done.stdout) == (0, (FOLDER / f"{name}.json").read_text())


def test_an_editor_finds_it_by_the_first_line_of_a_file() -> None:
    assert Path(editor_line().partition("$schema=")[2]) == FOLDER / "configuration.json"
    example = ROOT / "docs" / "examples" / "three-nodes.yaml"
    line = example.read_text().partition("\n")[0]
    found = example.parent / line.removeprefix("# yaml-language-server: $schema=")
    assert found.read_text() == (FOLDER / "configuration.json").read_text()


def test_the_example_fits() -> None:
    example = yaml.safe_load((ROOT / "docs" / "examples" / "three-nodes.yaml").read_text())
    assert list(configurations().iter_errors(example)) == []


@pytest.mark.parametrize(
    "text",
    [
        "nod: n1\n",
        "node: 17\n",
        "node: 'a b'\n",
        "labels: {rack: 1}\n",
        "interfaces: []\n",
        "interfaces: eth0\n",
        "terminationGrace: 2h\nkeepConnections: soon\n",
        "terminationGrace: 7200\n",
        "membership: {join: [192.0.2.12]}\n",
        "membership: {bind: 192.0.2.11, profile: quick}\n",
        "membership: {bind: 192.0.2.11, key: c2hvcnQ=}\n",
        "membership: {bind: 192.0.2.11, arpRate: 1}\n",
        "announce: {gratuitousRate: 0}\n",
        "announce: {responder: kernel-module}\n",
        "status: {http: 127.0.0.1}\n",
        "services: {name: web}\n",
        "services: [{name: web}]\n",
        "services: [{name: web, addresses: [192.0.2.0/24]}]\n",
        "services: [{name: web, addresses: [2001:db8::g]}]\n",
        f"{SERVICE}  nodes: []\n",
        f"{SERVICE}  nodes: {{}}\n",
        f"{SERVICE}  nodes: {{names: n1}}\n",
        f"{SERVICE}  nodes: {{rack: 1}}\n",
        f"{SERVICE}  sharing: per-flow\n",
        f"{SERVICE}  sharing: {{weights: {{n1: -1}}}}\n",
        f"{SERVICE}  failback: sometimes\n",
        f"{SERVICE}  ports: [{{port: 65536}}]\n",
        f"{SERVICE}  election: vrrp\n",
        VRRP % "priority: 256",
        VRRP % "auth: {pass: much-too-long}",
        VRRP % "preempt: later",
        VRRP % "virtualMac: 'yes'",
        TRACK % "interval: 1s",
        TRACK % "tcp: '127.0.0.1:80', interface: eth1",
        TRACK % "tcp: '127.0.0.1:80', expect: 200",
        TRACK % "file: weight",
        TRACK % "file: /run/weight, weight: 3",
        TRACK % "interface: eth1, weight: 0",
        TRACK % "process: {name: haproxy, pidFile: /run/haproxy.pid}",
        FORWARD % "health: {interval: 1s}",
        FORWARD % "health: {tcp: true, http: /healthz}",
        FORWARD % "health: {tcp: false}",
        FORWARD % "health: {tcp: true, record: A}",
        FORWARD % "health: {dns: example.org, record: PTR}",
        FORWARD % "quorum: 0",
        f"{SERVICE}hooks: [{{on: [leading]}}]\n",
        f"{SERVICE}hooks: [{{run: /etc/roost/notify.sh}}]\n",
        f"{SERVICE}hooks: [{{run: [/etc/roost/notify.sh], on: [master]}}]\n",
    ],
)
def test_it_refuses_what_the_reader_refuses(text: str, load_text: Callable[[str], Loaded]) -> None:
    assert load_text(text).config is None
    assert list(configurations().iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "rest", ["", "quorum: 2", "health: {dns: ., record: NS}", "sorry: {address: 198.51.100.9}"]
)
def test_what_the_cases_above_begin_with_is_good(rest: str, load_text: Callable[[str], Loaded]) -> None:
    for text in (SERVICE, VRRP % "priority: 1", TRACK % "interface: eth1, weight: 1", FORWARD % rest):
        assert load_text(text).config is not None


def test_each_key_says_what_it_means() -> None:
    schema = json.loads((FOLDER / "configuration.json").read_text())
    for section in (schema, *schema["$defs"].values()):
        assert [key for key, value in section["properties"].items() if not value.get("description")] == []
