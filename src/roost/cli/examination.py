"""Gathers facts for `roost doctor` from a file, a running speaker and this host, and has them judged."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from roost import __version__
from roost.cli.client import ask
from roost.cli.exits import Exit, Failure
from roost.model.address import IPAddress
from roost.model.diagnosis import judge
from roost.model.diagnosis.facts import Facts, Host, Lan, Proxy, Wish
from roost.model.diagnosis.finding import Finding
from roost.model.diagnosis.kernel import announcing
from roost.model.link import Link
from roost.protocols.machine import Endpoint
from roost.runtime.diagnosis import kernel, lan
from roost.runtime.diagnosis.gossip import Self
from roost.runtime.http_client import NotASpeakerError, get
from roost.runtime.links import on_host
from roost.runtime.resolver import resolve_now
from roost.standalone import SpeakerConfig, environment_problems, load, why_elsewhere

__all__ = ["Examination", "examine", "examine_cluster"]


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found about `subject`, from what, and what could not be looked at."""

    subject: str
    looked_at: str
    findings: tuple[Finding, ...]
    not_looked_at: tuple[str, ...]
    facts: Facts
    config: SpeakerConfig | None = None
    file: Path | None = None
    socket: Path | None = None

    def as_data(self) -> dict[str, Any]:
        """Return what programs read."""
        return {
            "subject": self.subject,
            "version": __version__,
            "looked_at": self.looked_at,
            "ok": not self.findings,
            "findings": [asdict(each) for each in self.findings],
            "not_looked_at": list(self.not_looked_at),
        }


def examine(path: Path | None, sock: Path | None, *, asked: bool, sends: bool, burst: bool) -> Examination:
    """Look at this host; `sends`: and ask its LAN and its peers.

    A speaker that was `asked` for by its socket has to answer, else Failure is raised. Raises OSError when
    links cannot be read.
    """
    config, file_errors = _read(path) if path is not None else (None, ())
    if config is not None and not asked:
        sock = config.status.socket
    status = _status(sock, asked=asked) if sock is not None else None
    file = path or _file_of(status)
    if file is not None and path is None:
        config, file_errors = _read(file)
    wish = _wish(config, status)
    host = kernel.host(int(status["pid"]) if status and "pid" in status else None)
    file_errors = (*file_errors, *_held_against(config, host.links))
    facts = Facts(wish=wish, host=host, status=status, file_errors=file_errors)
    if sends:
        facts = replace(facts, lan=_ask_lan(facts, config, burst=burst))
    looked = [
        "this host",
        *(["its speaker"] if status else []),
        *([str(file)] if file else []),
        *(["its LAN"] if sends else []),
    ]
    subject = str(status["node"]) if status else config.node if config else socket.gethostname()
    skipped = tuple(_skipped(facts, config, sends=sends))
    return Examination(subject, ", ".join(looked), judge(facts), skipped, facts, config, file, sock)


def examine_cluster() -> Examination:
    """Ask a speaker of the cluster that KUBECONFIG leads to, and look at kube-proxy's configuration there."""
    from roost.cli.cluster import proxy_configuration  # noqa: PLC0415 - only who asks a cluster loads all this
    from roost.runtime.diagnosis.proxy import configured  # noqa: PLC0415

    status = ask(None, "status")
    mode, strict = configured(proxy_configuration())
    proxy = Proxy(mode, "ConfigMap kube-proxy in kube-system", strict) if mode else None
    facts = Facts(wish=_wish(None, status), host=Host(proxy=proxy), status=status)
    skipped = ("the hosts: run `roost doctor` on a node, in its speaker's pod", "the other speakers")
    looked = f"the speaker on {status['node']}, by the API server"
    return Examination(f"cluster, as {status['node']} sees it", looked, judge(facts), skipped, facts)


# -- what is known without the LAN -----------------------------------------------------------------


def _status(sock: Path, *, asked: bool) -> Mapping[str, Any] | None:
    try:
        code, answer = get(sock, "/v1/status")
    except (OSError, HTTPException, NotASpeakerError) as error:
        if not asked:
            return None
        text = f"no speaker answers at {sock} ({error}); without --socket this host alone is looked at"
        raise Failure(text, Exit.NO_SPEAKER) from error
    if code >= 400 or not isinstance(answer, dict):
        raise Failure(f"the speaker at {sock} says {answer}", Exit.NO_SPEAKER)
    return answer


def _file_of(status: Mapping[str, Any] | None) -> Path | None:
    told = str((status or {}).get("config", {}).get("path") or "")
    return path if told and (path := Path(told)).is_file() else None


def _read(file: Path) -> tuple[SpeakerConfig | None, tuple[tuple[Any, str, str], ...]]:
    loaded = load(file)
    told = tuple(
        (
            "critical" if each.severity == "error" else "warning",
            f"{each.file}:{each.line}: {each.field} {each.cause}",
            each.cure,
        )
        for each in loaded.problems
    )
    return loaded.config, told


def _held_against(config: SpeakerConfig | None, links: Sequence[Link]) -> tuple[tuple[Any, str, str], ...]:
    """Return what of the file does not fit this host, unless it is for another."""
    local, names = on_host(links)
    if config is None:
        return ()
    if why := why_elsewhere(config, local, socket.gethostname()):
        return (
            (("critical", f"{config.file} is not for this host: {why}", "take this host's file"),)
            if (config.membership)
            else ()
        )
    return tuple(
        ("critical", f"{each.file}:{each.line}: {each.field} {each.cause}", each.cure)
        for each in environment_problems(config, local, names)
        if each.severity == "error"
    )


def _wish(config: SpeakerConfig | None, status: Mapping[str, Any] | None) -> Wish:
    if config is not None:
        membership = config.membership
        return Wish(
            interfaces=config.interfaces,
            addresses=tuple(
                each
                for service in config.services
                # Of those, several machines answer, or one with a hardware address of its own.
                if service.sharing is None and not (service.vrrp and service.vrrp.virtual_mac)
                for each in service.addresses
            ),
            port=membership.bind.port if membership else None,
            keep_connections=bool(config.keep_connections),
            arp_rate=membership.arp_rate if membership else None,
            responder=config.announce.responder,
            spreads=any(each.sharing and each.sharing.by == "connection" for each in config.services),
        )
    if status is None:
        return Wish()
    own = next((each for each in status["members"] if each["name"] == status["node"]), None)
    endpoint = _endpoint(own["address"]) if own else None
    told = (
        each["addresses"]
        for each in status["services"]
        if not each.get("shares") and not any(router["virtual_mac"] for router in each.get("vrrp", ()))
    )
    interfaces = tuple(each["name"] for each in status["interfaces"] if each["announcing"])
    return Wish(
        interfaces=interfaces or None,
        addresses=tuple(ip_address(each) for addresses in told for each in addresses),
        port=endpoint.port if endpoint else None,
        local=_file_of(status) is not None,
    )


def _endpoint(text: str) -> Endpoint | None:
    host, _, port = text.rpartition(":")
    try:
        return Endpoint(str(ip_address(host.strip("[]"))), int(port))
    except ValueError:
        return None


# -- the LAN ---------------------------------------------------------------------------------------


def _ask_lan(facts: Facts, config: SpeakerConfig | None, *, burst: bool) -> Lan:
    status = facts.status
    own = str(status["node"]) if status else config.node if config else ""
    known = _members(status) if status else _targets(config)
    links = announcing(facts)
    led = _led(status) if status else frozenset()
    me = _self(facts, config, known, own)
    return lan.look(
        lan.Inquiry(
            own=own,
            links=facts.host.links,
            announcing=links,
            known=known,
            addresses=facts.wish.addresses,
            led=led,
            me=me,
            burst=burst,
        )
    )


def _members(status: Mapping[str, Any]) -> list[lan.Known]:
    """Return the members that are to be there, each with its endpoint and hardware addresses."""
    return [
        (each["name"], endpoint, tuple(bytes.fromhex(mac.replace(":", "")) for mac in each.get("macs", ())))
        for each in status["members"]
        if each["verdict"] != "leaving" and (endpoint := _endpoint(each["address"]))
    ]


def _targets(config: SpeakerConfig | None) -> list[lan.Known]:
    """Return the peers that the file names; their hardware addresses are not known."""
    targets = config.membership.join if config and config.membership else ()
    found = {endpoint: str(each) for each in targets for endpoint in resolve_now(each)}
    return [(name, endpoint, ()) for endpoint, name in found.items()]


def _led(status: Mapping[str, Any]) -> frozenset[IPAddress]:
    told = (each["addresses"] for each in status["services"] if each["answering"])
    return frozenset(ip_address(each) for addresses in told for each in addresses)


def _self(facts: Facts, config: SpeakerConfig | None, known: Sequence[lan.Known], own: str) -> Self | None:
    """Return how this node gossips: by its file, else by what its speaker says, and then without keys."""
    listening = next((endpoint for name, endpoint, _ in known if name == own), None)
    if config is not None and config.membership is not None:
        membership = config.membership
        return Self(membership.bind.host, listening, membership.label, membership.keys)
    if facts.status is None or listening is None:
        return None
    return Self(listening.host, listening, keys=None)


def _skipped(facts: Facts, config: SpeakerConfig | None, *, sends: bool) -> Sequence[str]:
    skipped = []
    if not sends:
        skipped.append("the LAN and the peers (--quiet)")
    if config is None and facts.status is None:
        skipped.append("services and peers: no speaker runs here and no --config names its file")
    if facts.host.ruleset is None:
        skipped.append("the firewall: `nft -j list ruleset` cannot be run here")
    if facts.lan.left_out:
        skipped.append(f"who answers for {facts.lan.left_out} more addresses")
    return skipped
