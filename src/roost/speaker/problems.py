"""What is wrong as this node sees it: one line each, with the cure, first of all that people are shown."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from roost.decide.claims import Alarm, claimant
from roost.decide.members import ClusterMember
from roost.model.address import canonical
from roost.model.eligibility import Reason, interface_allowed
from roost.model.link import Link, why_silent
from roost.model.node import Verdict
from roost.model.ranking import Ranking
from roost.protocols.memberlist.members import MEMBERS_LIMIT
from roost.runtime.tracked import room
from roost.speaker.balanced import problems_of_backends
from roost.speaker.dead_ends import dead_ends
from roost.speaker.drains import own_drain, peers_drains
from roost.speaker.fitness import fitness_problems
from roost.speaker.problem_kinds import SPREADING_ON_KUBERNETES, Problem, listed
from roost.speaker.speaker import Speaker
from roost.speaker.vrrp import other_elections, vrrp_problems

__all__ = ["notes", "problems", "why_not_announcing"]

_LATELY: Final = timedelta(seconds=60)
_OPEN: Final = "look for a firewall on the gossip port, UDP and TCP"
_FRAMES_ALONE: Final = "frames of the LAN alone carry gossip"
_NO_LIFELINE: Final = 5.0  # seconds without a TCP connection to a peer that a restart does not explain
_YIELDED_FOR: Final = 1.0  # seconds to a peer, which gossip may be about to see again
_CLAIMED_FOR: Final = 3.0  # seconds of a peer's claims that a move does not explain,
_CLAIMED_LAST: Final = 10.0  # the last one not longer ago than this
_NAMED: Final = 3  # of many addresses with the same trouble
_TOLD: Final = 8  # problems of one kind


def problems(speaker: Speaker, now: float) -> tuple[Problem, ...]:
    """Return all problems, what concerns the whole node first, then its peers, then single addresses.

    Of one kind only the first few are told one by one.
    """
    found = (
        *_of_the_source(speaker, now),
        *_of_names(speaker, now),
        *_of_this_node(speaker, now),
        *_of_peers(speaker, now),
        *_of_addresses(speaker, now),
    )
    counts = Counter(each.kind for each in found)
    told: Counter[str] = Counter()
    kept: list[Problem] = []
    for each in found:
        told[each.kind] += 1
        if told[each.kind] <= _TOLD:
            kept.append(each)
        elif told[each.kind] == counts[each.kind]:
            kept.append(Problem(each.kind, f"and {counts[each.kind] - _TOLD} more of this kind"))
    return tuple(kept)


def notes(speaker: Speaker) -> tuple[Problem, ...]:
    """Return what is worth knowing beside the problems: drains that go on, the first few."""
    return (*own_drain(speaker, stands=False), *peers_drains(speaker, stands=False))[:_TOLD]


# -- the node as a whole ---------------------------------------------------------------------------


def _of_the_source(speaker: Speaker, now: float) -> Iterator[Problem]:
    if speaker.rival is not None and now - speaker.rival.at < _LATELY.total_seconds():
        text = f"{speaker.rival.process} tried to start as a speaker in this network namespace, and ended"
        yield Problem("second speaker", text)
    if speaker.waiting_for:
        yield Problem("waiting", f"waiting for {speaker.waiting_for}")
    if speaker.config_error:
        yield Problem(
            "stale configuration", f"the last good configuration stays in force: {speaker.config_error}"
        )
    if speaker.at_next_start:
        fields = ", ".join(sorted(speaker.at_next_start))
        yield Problem("restart needed", f"{fields}: changed in the file, not in this process")
    for text in speaker.source.trouble:
        yield Problem("source", text)


def _of_names(speaker: Speaker, now: float) -> Iterator[Problem]:
    namesakes = speaker.decider.state.namesakes.known(now)
    for endpoint in namesakes:
        text = f"the host at {endpoint} has the name {speaker.name}, too, so one of both answers"
        yield Problem("same name", text)
    if namesakes:
        return
    for record in speaker.records.faults.records:
        if record.kind == "name-conflict" and datetime.now(UTC) - record.last < _LATELY:
            yield Problem("same name", f"two hosts have one name: {record.detail}")


def _of_this_node(speaker: Speaker, now: float) -> Iterator[Problem]:
    state = speaker.decider.state
    if state.settling.settled and state.never_gossiped:
        why, cure = _why_nobody(speaker)
        yield Problem("no gossip", f"gossip has never reached anybody: {why}", cure)
    elif _is_in_frames_alone(speaker, now):
        yield Problem("no gossip", f"the gossip port has never reached anybody: {_FRAMES_ALONE}", _OPEN)
    yield from _of_links(speaker)
    if state.isolation.unplugged:
        yield Problem("no carrier", "the link that carries gossip has no carrier")
    if state.isolation.cut_off:
        yield Problem("cut off", "nobody is heard on the LAN: this node takes over nothing")
    yield from own_drain(speaker, stands=True)
    if waits := state.standing.waits(now):
        yield Problem("flapping", f"this node was lost {waits} times of late and waits before it leads again")
    if len(state.members) >= MEMBERS_LIMIT:
        yield Problem("full table", f"{len(state.members)} members are known: there is no room for others")
    if speaker.adapters.not_passing_on and speaker.source.delivers_locally:  # else an option that is off
        yield Problem("not passing on", speaker.adapters.not_passing_on)
    if (table := room()) is not None and table.scarce:
        dropped = "" if table.dropped is None else f"; {table.dropped} packets were dropped for want of room"
        text = f"the table of tracked connections is nearly full, {table.many} of {table.most}{dropped}"
        yield Problem("conntrack full", text)


def _why_nobody(speaker: Speaker) -> tuple[str, str]:
    """Return the likeliest reason and its cure: packets that no key opens, else what the last try met."""
    faults = {record.kind: record for record in speaker.records.faults.records}
    for kind in ("bad-packet", "stream"):
        if (record := faults.get(kind)) is not None:
            host = record.source.rpartition(":")[0]  # who connects does so from any port
            why = f"packets from {host} are not understood ({record.detail})"
            return why, "compare keys and labels"
    if (record := faults.get("exchange-failed")) is not None:
        why = f"{record.source} does not answer ({record.detail})"
        return why, _OPEN
    return "no configured peer answers", _OPEN


def _is_in_frames_alone(speaker: Speaker, now: float) -> bool:
    """Tell whether the gossip port never reached anybody, and all others answer in frames of the LAN."""
    if speaker.adapters.lifelines.ever_held:
        return False
    others = [each for each in speaker.decider.state.members if _gossips(speaker, each)]
    return bool(others) and all(_is_in_frames(speaker, each, now) for each in others)


def _gossips(speaker: Speaker, member: ClusterMember) -> bool:
    return member.name != speaker.name and member.verdict.active and member.endpoint is not None


def _is_in_frames(speaker: Speaker, member: ClusterMember, now: float) -> bool:
    return member.endpoint is not None and speaker.records.reach.is_in_frames(member.endpoint, now)


def _of_links(speaker: Speaker) -> Iterator[Problem]:
    """Tell of interfaces that are wanted and do not announce: each once, whatever depends on it."""
    if not speaker.decider.state.links:
        return  # before the first look
    links = [link for link in speaker.decider.state.links if not link.loopback]
    patterns = speaker.config.interfaces
    if patterns is None and all(why_silent(link, None) for link in links):
        reasons = "; ".join(_silent(speaker, link) for link in links[:_NAMED])
        yield Problem("no interface", f"none can announce: {reasons or 'there is none'}")
    for pattern in patterns or ():
        fitting = [link for link in links if interface_allowed((pattern,), link.name)]
        reasons = "; ".join(_silent(speaker, link) for link in fitting[:_NAMED])
        if not fitting:
            yield Problem("no interface", f"{pattern}: no link of this host has that name")
        elif all(_silent(speaker, link) for link in fitting):
            yield Problem("no interface", reasons)


def why_not_announcing(speaker: Speaker, link: Link) -> str:
    """Return why nothing is announced on `link`, "" where it is."""
    return why_silent(link, speaker.config.interfaces) or speaker.adapters.announcer.failed.get(
        link.index, ""
    )


def _silent(speaker: Speaker, link: Link) -> str:
    reason = why_not_announcing(speaker, link)
    return f"{link.name} {reason}" if reason else ""


# -- its peers -------------------------------------------------------------------------------------


def _of_peers(speaker: Speaker, now: float) -> Iterator[Problem]:
    for host, detail in speaker.records.reach.recent("bad-packet", now).items():
        yield Problem("wrong key", f"packets from {host} are not understood: {detail}")
    for host, detail in speaker.records.reach.recent("stream", now, often=2).items():
        if host not in speaker.records.reach.recent("bad-packet", now):
            yield Problem("wrong key", f"what comes from {host} over TCP is not understood: {detail}")
    state = speaker.decider.state
    if not state.isolation.isolated:  # else it is this node that is lost
        for member in state.fates.lost.values():
            yield _lost(speaker, member)
        yield from _of_gossip(speaker, now)
    yield from peers_drains(speaker, stands=True)
    differing = speaker.records.reach.differing(now)
    for member in state.members:
        if member.name != speaker.name and member.is_roost:
            if member.name in differing:
                yield other_elections(speaker, member) or _other_services(member)
            yield from _by_their_own_word(member)


def _lost(speaker: Speaker, member: ClusterMember) -> Problem:
    look = "look at that host"
    if speaker.decider.state.watch.hears_lost(member.name):
        look = "its host answers on the LAN: start its speaker, or open the gossip port, UDP and TCP"
    text = f"{member.verdict.of(member.name)}: {member.evidence}"
    return Problem("lost member", text, f"{look}; `roost forget {member.name}` if it is not to come back")


def _of_gossip(speaker: Speaker, now: float) -> Iterator[Problem]:
    """Tell of members that take part, and that gossip reaches in part only."""
    if _is_in_frames_alone(speaker, now):
        return  # one cause, told of once
    suspected = speaker.records.reach.suspected_for_long(now)
    for member in speaker.decider.state.members:
        if not _gossips(speaker, member) or member.endpoint is None:
            continue
        where = f"{member.name} at {member.endpoint}"
        begin = speaker.adapters.lifelines.unheld.get(member.name, now)
        if member.name in suspected:
            text = f"{where} is missed again and again, and does not die: {member.evidence}"
            yield Problem("gossip blocked", text)
        elif _is_in_frames(speaker, member, now):
            yield Problem("gossip blocked", f"{where} answers over neither UDP nor TCP: {_FRAMES_ALONE}")
        elif not speaker.records.reach.is_over_udp(member.endpoint, now):
            yield Problem("no UDP", f"{where} answers over TCP, not over UDP")
        elif now - max(begin, member.since) >= _NO_LIFELINE or not speaker.records.reach.is_over_tcp(
            member.endpoint, member.since, now
        ):
            yield Problem("no TCP", f"{where} answers over UDP, not over TCP")


def _other_services(member: ClusterMember) -> Problem:
    return Problem("other services", f"{member.name} wants other services than this node")


def _by_their_own_word(member: ClusterMember) -> Iterator[Problem]:
    name, told = member.name, member.metadata
    if told.waits:
        text = f"{name} was lost {told.waits} times of late and waits before it leads again"
        yield Problem("flapping", text)
    if told.deaf:
        yield Problem(
            "cut off", f"{name} hears nobody on the LAN, or its link does not hold, by its own word"
        )
    if told.blind or told.outdated:
        yield Problem("outdated", f"{name} does not hear of changes")


# -- single addresses ------------------------------------------------------------------------------


def _of_addresses(speaker: Speaker, now: float) -> Iterator[Problem]:
    state = speaker.decider.state
    if state.settling.settled:
        if state.announcing_links:  # else that is the problem, once
            rankings = state.election.rankings.values()
            nobody = {_named(each): _why_no_leader(each) for each in rankings if _lacks_leader(each)}
            yield from _grouped("no leader", nobody)
        yield from fitness_problems(speaker)
        yield from vrrp_problems(speaker, now)
        yield from _grouped("stood in", dict(_stood_in(speaker, now)))
        yield from _grouped("not shared", dict(_not_shared(speaker)))
        if found := dict(_not_spread(speaker)):
            cure = "" if speaker.source.delivers_locally else SPREADING_ON_KUBERNETES
            yield from _grouped("not spread", found, cure)
        yield from _grouped("yielded", dict(_yielded(speaker, now)))
    for kind in ("peer", "stranger"):
        claims = {
            canonical(
                each.address
            ): f"claimed by {claimant(each.peer)} at {each.mac.hex(':')} on {each.interface}"
            for each in speaker.decider.alarms(now)
            if each.kind == kind and (each.peer is None or _goes_on(each, now))
        }
        yield from _grouped(f"claimed by a {kind}", claims)
    yield from _undeliverable(speaker)
    for complaint in speaker.complaints:
        if complaint.severity == "error":
            yield Problem("refused", str(complaint))
    yield from _grouped("dead endpoints", dead_ends(speaker))
    yield from problems_of_backends(speaker)


def _goes_on(alarm: Alarm, now: float) -> bool:
    """Tell whether a peer's claims do not end by themselves, as they do after a move."""
    return alarm.last - alarm.first >= _CLAIMED_FOR and now - alarm.last < _CLAIMED_LAST


def _named(ranking: Ranking) -> str:
    addresses = " ".join(canonical(address) for address in ranking.service.addresses)
    return f"{addresses} ({ranking.service.name})"


def _lacks_leader(ranking: Ranking) -> bool:
    """Tell whether nobody can lead a service that somebody ought to: not one without anything behind it."""
    if ranking.leader is not None or ranking.service.vrrp is not None:
        return False  # a virtual router is another matter (`vrrp_problems`)
    reasons = {each.reason for each in ranking.exclusions}
    return bool(ranking.places) or not reasons & {Reason.WITHHELD, Reason.NO_ENDPOINT}


def _why_no_leader(ranking: Ranking) -> str:
    if not ranking.places and not ranking.exclusions:
        return "no node is known"
    unfit = [
        f"{each.node}: {each.detail}" for each in ranking.exclusions if each.reason is not Reason.NO_SPEAKER
    ]
    lost = [f"{name}: not active" for name in sorted(place.node for place in ranking.places)]
    found = [*lost, *unfit]
    more = f"; and {len(found) - _NAMED} more nodes" if len(found) > _NAMED else ""
    return f"no node can lead it ({'; '.join(found[:_NAMED])}{more})"


def _stood_in(speaker: Speaker, now: float) -> Iterator[tuple[str, str]]:
    for_long = speaker.records.reach.stood_in_for_long(now)
    found = {address: who for address, who in speaker.decider.stand_ins.items() if address in for_long}
    for address, who in sorted(found.items(), key=str):
        leader = speaker.decider.state.plan.lead(address).node
        if leader is not None and leader != speaker.name:
            yield canonical(address), f"its leader {leader} does not answer for it, and {who} does instead"


def _yielded(speaker: Speaker, now: float) -> Iterator[tuple[str, str]]:
    yielding = speaker.decider.state.yielding
    for address in sorted(yielding.addresses, key=str):
        holder = yielding.holder(address)
        if holder is not None and (holder.peer is None or now - holder.since >= _YIELDED_FOR):
            yield canonical(address), speaker.decider.why(address)


def _not_shared(speaker: Speaker) -> Iterator[tuple[str, str]]:
    """Tell of shared services beside speakers that know only leaders: these answer everybody."""
    for ranking in speaker.decider.state.election.rankings.values():
        foreign = [each.node for each in ranking.exclusions if each.reason is Reason.CANNOT_SHARE]
        if foreign:
            yield (
                _named(ranking),
                f"the speakers of {', '.join(foreign)} cannot share it, and may answer everybody",
            )


def _not_spread(speaker: Speaker) -> Iterator[tuple[str, str]]:
    """Tell of services whose connections this node, or one that it knows, cannot take or send on."""
    state = speaker.decider.state
    for ranking in state.election.rankings.values():
        if not ranking.takers:
            continue
        if why := speaker.adapters.announcer.why_not_spread:
            yield _named(ranking), f"this node takes all connections that come to it: {why}"
            continue
        address = ranking.service.addresses[0]
        if silent := [name for name in ranking.takers if not state.taking.takes(name, address)]:
            yield _named(ranking), f"{', '.join(silent)} has not said that it takes connections"


def _undeliverable(speaker: Speaker) -> Iterator[Problem]:
    state = speaker.decider.state
    if speaker.adapters.delivery.failure:
        yield Problem("undeliverable", f"this host takes no addresses: {speaker.adapters.delivery.failure}")
    yield from _grouped(
        "undeliverable", {canonical(each): reason for each, reason in state.delivery.refused.items()}
    )
    active = {each.name for each in state.members if each.verdict in (Verdict.ALIVE, Verdict.SUSPECT)}
    theirs = {
        f"{canonical(address)} on {node}": "that node cannot hold it"
        for node, addresses in state.inability.by_node.items()
        if node in active and node != speaker.name
        for address in sorted(addresses, key=str)
    }
    yield from _grouped("undeliverable", theirs, cure="`roost status` on that node says why")


def _grouped(kind: str, found: Mapping[str, str], cure: str = "") -> Iterator[Problem]:
    """Yield one problem for all that have the same reason: 500 addresses are one line."""
    groups: dict[str, list[str]] = {}
    for what, reason in found.items():
        groups.setdefault(reason, []).append(what)
    for reason, names in groups.items():
        yield Problem(kind, f"{listed(names)}: {reason}", cure)
