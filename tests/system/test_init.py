"""`roost init` on hosts made for it: what it finds, what it asks, what it refuses, what it leaves."""

import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS, Namespace, network
from tests.system.terminal import terminal

from roost.standalone import load

pytestmark = NETNS


@pytest.fixture
def host() -> Iterator[Namespace]:
    """A host with a LAN on eth0, whose other end is `peer`; eth1 is there as well, without an address."""
    with network() as net:
        made, peer = net.add("host"), net.add("peer")
        net.veth(made, "eth0", peer, "eth0")
        net.veth(made, "eth1", peer, "eth1")
        for name in ("eth0", "eth1"):
            made.ip(f"link set {name} up")
            peer.ip(f"link set {name} up")
        made.ip("addr add 192.0.2.11/24 dev eth0")
        made.ip("addr add 2001:db8::11/64 dev eth0 nodad")
        yield made


def init(host: Namespace, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv(host, *options),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def argv(host: Namespace, *options: object) -> tuple[str, ...]:
    return (*("ip", "netns", "exec", host.name), sys.executable, "-m", "roost", "init", *map(str, options))


def test_what_it_finds_and_is_told_becomes_a_configuration(host: Namespace, tmp_path: Path) -> None:
    file, key = tmp_path / "roost.yaml", tmp_path / "gossip.key"
    done = init(
        host,
        *("--node", "n1", "--address", "web=192.0.2.200,2001:db8::200", "--address", "192.0.2.201"),
        *("--join", "192.0.2.12", "--key-file", key, "-o", file),
    )
    assert done.returncode == 0, done.stderr
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file, key)} == {0o600}
    loaded = load(file)
    assert (loaded.problems, loaded.config is None) == ((), False)
    assert loaded.config is not None
    assert loaded.config.membership is not None
    assert (loaded.config.node, loaded.config.interfaces) == ("n1", ("eth0",))
    assert str(loaded.config.membership.bind) == "192.0.2.11:7946"
    assert [str(each) for each in loaded.config.membership.join] == ["192.0.2.12:7946"]
    assert [len(each) for each in loaded.config.membership.keys] == [32]
    assert [(each.name, list(map(str, each.addresses))) for each in loaded.config.services] == [
        ("web", ["192.0.2.200", "2001:db8::200"]),
        ("service-2", ["192.0.2.201"]),
    ]
    assert key.read_text().strip() not in done.stdout + done.stderr


def test_the_command_that_it_names_for_other_nodes_agrees(host: Namespace, tmp_path: Path) -> None:
    first = init(host, "--yes", "--node", "n1", "--address", "192.0.2.200", "-o", tmp_path / "n1.yaml")
    (told,) = (line for line in first.stderr.splitlines() if line.startswith("on the other nodes: "))
    host.ip("addr del 192.0.2.11/24 dev eth0")
    host.ip("addr add 192.0.2.12/24 dev eth0")
    options = shlex.split(told.partition(" roost init ")[2])
    assert options[options.index("-o") + 1] == str(tmp_path / "n1.yaml")
    second = init(host, *options, "--node", "n2", "-o", tmp_path / "n2.yaml")
    assert second.returncode == 0, second.stderr
    one, two = (load(tmp_path / f"{name}.yaml").config for name in ("n1", "n2"))
    assert one is not None
    assert two is not None
    assert two.membership is not None
    assert [(each.name, each.addresses) for each in one.services] == [
        (each.name, each.addresses) for each in two.services
    ]
    assert [str(each) for each in two.membership.join] == ["192.0.2.11:7946"]


def test_no_file_is_replaced_and_a_key_is_used_as_it_is(host: Namespace, tmp_path: Path) -> None:
    file, key = tmp_path / "roost.yaml", tmp_path / "gossip.key"
    file.write_text("mine")
    options = ("--yes", "--address", "192.0.2.200", "--key-file", key, "-o", file)
    done = init(host, *options)
    assert (done.returncode, file.read_text(), key.exists()) == (3, "mine", False)
    assert done.stderr == f"roost: {file} exists; remove it, or choose another with -o\n"
    file.unlink()
    key.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    key.chmod(0o600)
    assert init(host, *options).returncode == 0
    config = load(file).config
    assert config is not None
    assert config.membership is not None
    assert config.membership.keys == (bytes(range(32)),)


def test_what_a_speaker_would_refuse_is_not_written_and_its_key_neither(
    host: Namespace, tmp_path: Path
) -> None:
    file, key = tmp_path / "roost.yaml", tmp_path / "gossip.key"
    done = init(host, "--yes", "--address", "192.0.2.255", "--key-file", key, "-o", file)
    assert done.returncode == 1
    assert "services[0].addresses[0]: 192.0.2.255 is a subnet's broadcast address" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_it_says_what_is_missing(host: Namespace, tmp_path: Path) -> None:
    file = tmp_path / "roost.yaml"
    assert (
        init(host, "-o", file).stderr,
        init(host, "--address", "192.0.2.200", "-o", file).stderr,
    ) == (
        "roost: no service address: give --address\n",
        "roost: no other node: give --join, or --yes for a first node alone\n",
    )
    assert not file.exists()


def test_of_several_networks_the_default_routes_is_taken(host: Namespace, tmp_path: Path) -> None:
    host.ip("addr add 198.51.100.11/24 dev eth1")
    options = ("--yes", "--address", "198.51.100.200", "-o")
    done = init(host, *options, tmp_path / "none.yaml")
    assert (done.returncode, done.stderr) == (
        2,
        "roost: several interfaces can announce (eth0, eth1); give --interface\n",
    )
    host.ip("route add default via 198.51.100.1 dev eth1")
    assert init(host, *options, tmp_path / "route.yaml").returncode == 0
    assert init(host, "--interface", "eth0", *options, tmp_path / "named.yaml").returncode == 0
    assert init(host, "--bind", "192.0.2.11:7000", *options, tmp_path / "bound.yaml").returncode == 0
    found = {file.stem: config.interfaces for file in tmp_path.iterdir() if (config := load(file).config)}
    assert found == {"route": ("eth1",), "named": ("eth0",), "bound": ("eth0",)}


def test_on_a_terminal_it_asks_for_addresses_and_nodes_until_they_are_good(
    host: Namespace, tmp_path: Path
) -> None:
    file = tmp_path / "roost.yaml"
    with terminal(*argv(host, "-o", file)) as user:
        user.show("Free addresses, such as of 192.0.2.0/24", "Service addresses: ")
        user.press(" \r")
        user.show("Error: ", "holds no address")
        user.press("192.0.2.999\r")
        user.show("Error: ", "192.0.2.999")
        user.press("web=192.0.2.200,2001:db8::200 192.0.2.201\r")
        user.show("Addresses of other nodes (Enter for none yet): ")
        user.press("\r")
        user.show(f"wrote {file}")
        assert user.process.wait(10) == 0
    config = load(file).config
    assert config is not None
    assert [len(each.addresses) for each in config.services] == [2, 1]
