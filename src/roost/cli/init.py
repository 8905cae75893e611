"""`roost init`: a first configuration from what this host is, asking only for what no host can know."""

import base64
import os
import pwd
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

import click
from pydantic_core import PydanticCustomError

from roost.cli.exits import Exit, Failure
from roost.cli.first_file import Draft, VipGroup, choose_interface, first_address, text_of
from roost.model.link import Link, why_silent
from roost.observe.text import printable
from roost.protocols.machine import Endpoint
from roost.runtime import paths
from roost.runtime.links import links_now, on_host
from roost.standalone import environment_problems, load
from roost.standalone.values import DEFAULT_PORT, endpoint, identifier, join_target, vip, wrong

__all__ = ["command"]

_FILE: Final = "roost.yaml"
_KEY_BYTES: Final = 32  # AES-256
_SPEAKERS_USER: Final = "roost"  # whom deploy/systemd/roost.sysusers makes
Value = TypeVar("Value")


class _Checked(click.ParamType[Value], Generic[Value]):
    """An option's or answer's type: what the configuration's own reader takes at that place."""

    def __init__(self, name: str, check: Callable[[str], Value]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Value:
        if not isinstance(value, str):  # a value already: click converts defaults twice
            return cast("Value", value)
        try:
            return self._check(value.strip())
        except PydanticCustomError as error:
            self.fail(f"{error.message()} ({(error.context or {}).get('cure', '')})", param, ctx)


def _group(text: str) -> VipGroup:
    name, equals, listed = text.rpartition("=")
    addresses = tuple(vip(each.strip()) for each in listed.split(","))
    return VipGroup(identifier(name.strip()) if equals else "", addresses)


def _groups(text: str) -> tuple[VipGroup, ...]:
    if not text:
        raise wrong("holds no address", "write one, or end with Ctrl-C")
    return tuple(map(_group, text.split()))


def _nodes(text: str) -> tuple[Endpoint, ...]:
    return tuple(map(join_target, text.replace(",", " ").split()))


_GROUP: Final = _Checked("address", _group)
_JOIN: Final = _Checked("address", join_target)


@click.command()
@click.option(
    "--address",
    "groups",
    type=_GROUP,
    multiple=True,
    metavar="[NAME=]ADDRESS[,ADDRESS]",
    help="A service address, or several that stay together (IPv4 and IPv6); repeat it for more services.",
)
@click.option(
    "--join",
    type=_JOIN,
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="Another node; repeat it. One that lives is enough to find the others.",
)
@click.option(
    "--node",
    type=_Checked("name", identifier),
    metavar="NAME",
    help="This node's name.  [default: the host's name]",
)
@click.option(
    "--interface",
    metavar="NAME",
    help="Announce there.  [default: the interface with a LAN; of several, the default route's]",
)
@click.option(
    "--bind",
    type=_Checked("address", endpoint(DEFAULT_PORT)),
    metavar="ADDRESS[:PORT]",
    help=f"This node's address for gossip.  [default: the interface's first one, port {DEFAULT_PORT}]",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, resolve_path=True),
    metavar="FILE",
    help="Encrypt gossip by the key in FILE. A file that does not exist is made, with a new key.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=_FILE,
    show_default=True,
    help="Write here, a new file; - for stdout.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
def command(
    groups: tuple[VipGroup, ...],
    *,
    join: tuple[Endpoint, ...],
    node: str | None,
    interface: str | None,
    bind: Endpoint | None,
    key_file: Path | None,
    output: Path,
    yes: bool,
) -> None:
    """Write a first configuration for this host: its name, its interface and address, and what it shares.

    Service addresses and the other nodes are asked for on a terminal where no option gives them. The result
    is checked as `roost check` does, and held against this host's addresses, before anything is written; no
    file is ever replaced. The files are readable by their owner alone; in a folder of the group roost, such
    as the package's /etc/roost, they belong to the speaker's user.

    Exit codes: 0 written, 1 the answers make no valid configuration, 2 something is missing and nobody can be
    asked, 3 the file exists or cannot be written.
    """
    if str(output) != "-" and os.path.lexists(output):
        raise Failure(f"{output} exists; remove it, or choose another with -o", Exit.CANNOT_RUN)
    try:
        links = links_now()
    except OSError as error:
        raise Failure(f"this host's interfaces cannot be read ({error})", Exit.CANNOT_RUN) from error
    asks = sys.stdin.isatty() and not yes
    link = _link(links, interface, bind, asks=asks)
    bind = bind or Endpoint(str(first_address(link).ip), DEFAULT_PORT)
    name = node or _hostname()
    if asks:
        click.echo(f"node {name}, interface {link.name}, gossip at {bind}", err=True)
    draft = Draft(
        node=name,
        link=link,
        bind=bind,
        groups=groups or _ask_for_addresses(link, asks=asks),
        join=join or _ask_for_nodes(asks=asks, yes=yes),
        key_file=key_file,
    )
    _write(draft, output, links)


def _hostname() -> str:
    try:
        return identifier(socket.gethostname())
    except PydanticCustomError as error:
        raise Failure(f"this host's name {error.message()}; give --node", Exit.USAGE) from error


def _link(links: tuple[Link, ...], interface: str | None, bind: Endpoint | None, *, asks: bool) -> Link:
    """Return the link to announce on, asking where several are as good."""
    found = choose_interface(links, interface, bind, _default_source())
    if len(found) == 1:
        return found[0]
    if not found:
        wanted = interface or (f"with {bind.host}" if bind else "with an IP address")
        names = ", ".join(link.name for link in choose_interface(links, None, None, None)) or "none"
        why = next(
            (f" ({why})" for each in links if each.name == interface and (why := why_silent(each, None))), ""
        )
        raise Failure(f"no interface {wanted} can announce now{why}; those that can: {names}", Exit.INVALID)
    able = [link.name for link in found]
    if not asks:
        raise Failure(f"several interfaces can announce ({', '.join(able)}); give --interface", Exit.USAGE)
    chosen = click.prompt("Interface", type=click.Choice(able), err=True)
    return found[able.index(chosen)]


def _default_source() -> str | None:
    """Return the address from which this host reaches other networks; nothing is sent to find it.

    It asks for 6to4's prefixes, which are no LAN's (RFC 7526).
    """
    for family, elsewhere in ((socket.AF_INET, "192.88.99.1"), (socket.AF_INET6, "2002::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((elsewhere, 9))
            except OSError:
                continue
            return str(probe.getsockname()[0])
    return None


def _ask_for_addresses(link: Link, *, asks: bool) -> tuple[VipGroup, ...]:
    if not asks:
        raise Failure("no service address: give --address", Exit.USAGE)
    network = first_address(link).network
    click.echo(f"Free addresses, such as of {network}; commas between those that stay together.", err=True)
    kind = _Checked("addresses", _groups)
    answer: tuple[VipGroup, ...] = click.prompt("Service addresses", type=kind, err=True)
    return answer


def _ask_for_nodes(*, asks: bool, yes: bool) -> tuple[Endpoint, ...]:
    if yes:
        return ()
    if not asks:
        raise Failure("no other node: give --join, or --yes for a first node alone", Exit.USAGE)
    kind = _Checked("addresses", _nodes)
    answer: tuple[Endpoint, ...] = click.prompt(
        "Addresses of other nodes (Enter for none yet)", type=kind, default="", show_default=False, err=True
    )
    return answer


def _write(draft: Draft, output: Path, links: tuple[Link, ...]) -> None:
    text = text_of(draft)
    with _key(draft.key_file) as made:
        _check(text, output, links)
        if str(output) == "-":
            click.echo(text, nl=False)
        else:
            _create(output, text)
    if made:
        click.echo(f"made {draft.key_file}: copy it to the other nodes first", err=True)
    if str(output) != "-":
        click.echo(f"wrote {output}; next: roost speaker --config {output}", err=True)
    click.echo(f"on the other nodes: roost init {shlex.join(_alike(draft, output))}", err=True)


def _alike(draft: Draft, output: Path) -> Iterator[str]:
    """Yield the options that make another node's file agree with this one."""
    for group in draft.named_groups():
        yield from ("--address", str(group))
    if draft.key_file:
        yield from ("--key-file", str(draft.key_file))
    if str(output) != _FILE:
        yield from ("-o", str(output))
    yield from ("--join", draft.bind.host if draft.bind.port == DEFAULT_PORT else str(draft.bind))


@contextmanager
def _key(path: Path | None) -> Iterator[bool]:
    """Make a key at `path` unless there is a file; it goes again when what follows fails. Tells whether."""
    if path is None or paths.exists(path):
        yield False
        return
    _create(path, base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")
    try:
        yield True
    except BaseException:
        path.unlink()
        raise


def _check(text: str, output: Path, links: tuple[Link, ...]) -> None:
    """Hold the text against the reader and this host; ends the command when a speaker would refuse it."""
    loaded = load(output, text.encode())
    local, names = on_host(links)
    fit = environment_problems(loaded.config, local, names) if loaded.config else ()
    for problem in (*loaded.problems, *fit):
        field = f"{problem.field}: " if problem.field else ""
        click.echo(printable(f"{problem.severity}: {field}{problem.cause} ({problem.cure})"), err=True)
    if any(problem.severity == "error" for problem in (*loaded.problems, *fit)):
        raise Failure("nothing was written", Exit.INVALID)


def _create(path: Path, text: str) -> None:
    """Write a new file of mode 0600, for the speaker's user where the folder is its group's."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            _hand_over(descriptor, path.parent)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", Exit.CANNOT_RUN) from error


def _hand_over(descriptor: int, folder: Path) -> None:
    try:
        speaker = pwd.getpwnam(_SPEAKERS_USER)
    except KeyError:
        return
    if os.geteuid() == 0 and folder.stat().st_gid == speaker.pw_gid:
        os.fchown(descriptor, speaker.pw_uid, speaker.pw_gid)
