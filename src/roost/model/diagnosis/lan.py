"""What the LAN and the peers answered, and what it means when they did not."""

from collections.abc import Iterator
from typing import Final

from roost.model.address import canonical
from roost.model.diagnosis.facts import Facts, Peer
from roost.model.diagnosis.finding import Finding, found

__all__ = ["findings"]

_CLOCK: Final = 2.0  # seconds; ICMP timestamps are exact to some milliseconds
_CUT: Final = 0.6  # of a burst answered: less is a limit
_NAMED: Final = 3


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong between this host and the others."""
    for peer in facts.lan.peers:
        yield from _gossip(facts, peer)
        yield from _fabric(peer)
        yield from _size(peer)
        yield from _burst(facts, peer)
        if peer.clock is not None and abs(peer.clock) >= _CLOCK:
            yield found(
                "clock",
                f"the clock of {peer.name} is {abs(peer.clock):.1f} s "
                f"{'ahead of' if peer.clock > 0 else 'behind'} "
                "this host's",
                f"ICMP timestamp of {peer.address}",
                "run chrony or systemd-timesyncd on both; logs, events and certificates go by it",
            )
    yield from _duplicates(facts)


def _gossip(facts: Facts, peer: Peer) -> Iterator[Finding]:
    heard, where = peer.gossip, f"{peer.name} at {peer.address}"
    port = facts.wish.port
    if heard.tcp and heard.understood is False:
        yield found(
            "wrong key",
            f"{where} does not understand this node",
            "it takes a TCP connection, and what it answers cannot be read with this node's keys and label",
            "give all nodes the same keys and the same label",
        )
        return
    silent = [
        *(["UDP to it"] if heard.udp_out is False else []),
        *(["TCP to it"] if heard.tcp is False else []),
        *(["UDP from it"] if heard.udp_in is False else []),
    ]
    if not silent or (heard.udp_out is False and heard.tcp is False and not _is_there(peer)):
        return  # a host that is off is no firewall's doing
    if heard.refused:
        return  # nothing listens there: its speaker does not run
    well = [
        name
        for name, good in (
            ("UDP to it", heard.udp_out),
            ("TCP to it", heard.tcp),
            ("UDP from it", heard.udp_in),
        )
        if good
    ]
    passes = f"; {' and '.join(well)} passes" if well else "; its host answers on the LAN"
    yield found(
        "gossip blocked",
        f"gossip with {where} does not pass: {', '.join(silent)}",
        f"a ping on port {port if port is not None else '?'} was not answered{passes}",
        "open the gossip port, UDP and TCP, both ways, in the firewalls of both hosts and between",
    )


def _is_there(peer: Peer) -> bool:
    return peer.echo.well or peer.broadcast.well or peer.unicast.well


def _fabric(peer: Peer) -> Iterator[Finding]:
    """Find a fabric that keeps back questions: those to all, or all of them."""
    six = ":" in peer.address
    question = "Neighbor Solicitation" if six else "ARP request"
    if peer.broadcast.silent and peer.unicast.well:
        kind = "multicast suppressed" if six else "broadcast suppressed"
        to_all = "to the solicited-node group" if six else "by broadcast"
        cure = "turn MLD snooping off or give it a querier" if six else "turn ARP suppression off"
        yield found(
            kind,
            f"{question}s {to_all} do not reach {peer.name}: clients do not find addresses that move",
            f"{peer.broadcast.sent} {to_all}: 0 answers; {peer.unicast.sent} to {peer.name} alone: "
            f"{peer.unicast.answered}",
            f"{cure} on the switches of this VLAN",
        )
    elif peer.broadcast.silent and peer.unicast.silent and peer.echo.well:
        yield found(
            "ARP inspected",
            f"something between here and {peer.name} drops {question}s of this host",
            f"{peer.echo.answered} of {peer.echo.sent} echoes answered, 0 of "
            f"{peer.broadcast.sent + peer.unicast.sent} {question}s",
            "trust this port in the switch's ARP or ND inspection, or add bindings for the service addresses",
        )


def _size(peer: Peer) -> Iterator[Finding]:
    if peer.echo.well and peer.full_echo.silent:
        yield found(
            "MTU",
            f"packets of {peer.mtu} bytes do not reach {peer.name} or come back",
            f"{peer.echo.answered} of {peer.echo.sent} small echoes answered, 0 of {peer.full_echo.sent} of "
            f"{peer.mtu} bytes, on {peer.link}",
            "give all hosts and switches of this LAN the same MTU",
        )


def _burst(facts: Facts, peer: Peer) -> Iterator[Finding]:
    if peer.burst.sent and peer.unicast.well and peer.burst.answered < _CUT * peer.burst.sent:
        shut = peer.after_burst.silent
        rate = facts.wish.arp_rate
        yield found(
            "ARP limited",
            f"the switch limits ARP on {peer.link}" + (", and has shut the port" if shut else ""),
            f"{peer.burst.answered} of {peer.burst.sent} ARP requests within a second were answered by "
            f"{peer.name}, "
            f"{peer.unicast.answered} of {peer.unicast.sent} before"
            + ("; nothing passes since" if shut else ""),
            f"membership.arpRate is {rate:g}: lower it"
            if rate
            else "set membership.arpRate: 10, or raise the limit on the switch",
        )


def _duplicates(facts: Facts) -> Iterator[Finding]:
    """Find addresses that two machines answer for, or one that is no node."""
    for address, holders in facts.lan.holders.items():
        by_link: dict[str, list[bytes]] = {}
        for link, mac in holders:
            by_link.setdefault(link, []).append(mac)
        for link, macs in by_link.items():
            strangers = [mac for mac in macs if facts.lan.nodes and mac not in facts.lan.nodes]
            if len(macs) < 2 and not strangers:
                continue
            names = [f"{mac.hex(':')} ({facts.lan.nodes.get(mac, 'no node')})" for mac in macs[:_NAMED]]
            yield found(
                "duplicate address",
                f"{canonical(address)} is answered for by "
                + ("a machine that is no node" if len(macs) == 1 else f"{len(macs)} machines"),
                f"asked on {link}, these answered: {', '.join(names)}",
                "find the MAC on your switch, and take the address off that machine",
            )
