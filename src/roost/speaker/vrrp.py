"""The virtual routers of this node as data, problems and metrics."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from roost.decide.members import ClusterMember
from roost.decide.vrrp.elections import differing
from roost.decide.vrrp.foresight import Supposed, foresee
from roost.decide.vrrp.part import Part, Peer
from roost.model.what_if import Prospect
from roost.observe.metrics import Metric
from roost.observe.moment import rfc3339
from roost.protocols.vrrp.packet import CENTISECONDS, RELEASE
from roost.protocols.vrrp.table import State
from roost.speaker.problem_kinds import Problem, listed
from roost.speaker.speaker import Speaker
from roost.speaker.status_types import VrrpPeerView, VrrpView

__all__ = ["other_elections", "vrrp_metrics", "vrrp_problems", "vrrp_view"]

_LATELY: Final = 60.0  # seconds for which a stranger's advert is a problem
_LABELS: Final = ("service", "family")

_Samples = dict[tuple[str, ...], float]


def vrrp_view(speaker: Speaker, service: str) -> list[VrrpView]:
    """Return the instances of a service, one for each family; none where VRRP does not decide."""
    now = time.monotonic()
    return [_part(speaker, part, now) for part in speaker.decider.state.routers.parts_of(service)]


def vrrp_prospects(speaker: Speaker, supposed: Supposed) -> Mapping[str, Prospect]:
    """Return what would become of the services that VRRP decides about, by name."""
    state = speaker.decider.state
    found: dict[str, Prospect] = {}
    for name, ranking in state.election.rankings.items():
        if (part := state.routers.decides(name)) is not None:
            peers = {_name_of(speaker, peer): peer for peer in part.peers.values()}
            prospect = foresee(part, speaker.name, ranking.leader, peers, supposed)
            found[name] = replace(prospect, service=ranking.service)
    return found


def vrrp_machines(speaker: Speaker) -> frozenset[str]:
    """Return the names and addresses of the machines that VRRP knows of: heard as masters, or configured."""
    routers = speaker.decider.state.routers
    peers = [peer for part in routers.parts for peer in part.peers.values()]
    configured = (str(each) for part in routers.parts for each in part.unicast)
    return frozenset(
        {*(_name_of(speaker, each) for each in peers), *(str(each.source) for each in peers), *configured}
    )


def vrrp_problems(speaker: Speaker, now: float) -> Iterator[Problem]:
    """Yield who uses a VRID of this node for something else, and what keeps this node from taking part."""
    routers = speaker.decider.state.routers
    for stranger in routers.strangers.known:
        if now - stranger.last < _LATELY:
            yield Problem("vrid clash", stranger.text)
    if failed := speaker.adapters.virtual_macs.failed:
        yield Problem("vrrp fault", f"no frames come here for a virtual hardware address: {failed}")
    rankings = speaker.decider.state.election.rankings
    for name in dict.fromkeys(part.service.name for part in routers.parts if part.fault):
        ranking = rankings.get(name)
        if ranking is not None and ranking.leader is None:
            text = f"{name}: no master is heard, and this node takes no part: {routers.why(name)}"
            yield Problem("no leader", text)
        elif not speaker.decider.state.tracking.own(name).fit or speaker.decider.state.drain.draining:
            pass  # which is said already
        else:
            yield Problem("vrrp fault", f"{name}: {routers.why(name)}")


def other_elections(speaker: Speaker, peer: ClusterMember) -> Problem | None:
    """Return which services a peer that wants others elects by VRRP and this node not, or the reverse."""
    found = differing(speaker.decider.state.desired.services, peer.metadata)
    told = []
    if found.only_there:
        told.append(f"elects {listed(found.only_there)} by VRRP, this node by hash")
    if found.only_here:
        told.append(f"elects {listed(found.only_here)} by hash, or lacks it; this node by VRRP")
    return Problem("other election", f"{peer.name} {', and '.join(told)}") if told else None


def vrrp_metrics(speaker: Speaker) -> Iterator[Metric]:
    """Yield state, priority and adverts of each instance."""
    routers = speaker.decider.state.routers
    parts = {(part.service.name, f"ipv{part.family}"): part for part in routers.parts}
    states: _Samples = {
        (*where, state.value.lower()): float(part.instance.state is state)
        for where, part in parts.items()
        for state in State
    }
    yield Metric("roost_vrrp_state", "1 for the state of the instance", "gauge", (*_LABELS, "state"), states)
    gauges: tuple[tuple[str, str, Callable[[Part], int]], ...] = (
        ("priority", "What it advertises, or would", lambda part: part.instance.ruling.priority),
        ("peers", "Other machines heard as its masters", lambda part: len(part.peers)),
    )
    for name, about, value in gauges:
        samples: _Samples = {where: float(value(part)) for where, part in parts.items()}
        yield Metric(f"roost_vrrp_{name}", about, "gauge", _LABELS, samples)
    counters: tuple[tuple[str, str, Callable[[Part], int]], ...] = (
        ("transitions", "Changes of its state", lambda part: part.instance.transitions),
        ("adverts_sent", "Adverts sent", lambda part: part.sent),
        ("adverts_received", "Adverts of others that were believed", lambda part: part.adverts),
    )
    for name, about, value in counters:
        samples = {where: float(value(part)) for where, part in parts.items()}
        yield Metric(f"roost_vrrp_{name}", about, "counter", _LABELS, samples)
    ignored: _Samples = {
        (*where, flaw.value): float(count)
        for where, part in parts.items()
        for flaw, count in part.flaws.items()
    }
    ignored |= {("", "", reason): float(count) for reason, count in routers.foreign.items()}
    about = "Adverts ignored, by reason; those of VRIDs of nobody here without a service"
    yield Metric("roost_vrrp_adverts_ignored", about, "counter", (*_LABELS, "reason"), ignored)


def _name_of(speaker: Speaker, peer: Peer) -> str:
    return speaker.decider.state.machine_at(peer.source, peer.mac)


def _part(speaker: Speaker, part: Part, now: float) -> VrrpView:
    instance, router = part.instance, part.router
    master = part.master(now)
    return {
        "vrid": router.vrid,
        "family": part.family,
        "version": router.version,
        "state": "Fault" if part.fault else instance.state.value,
        "why": part.fault or instance.last.value,
        "priority": instance.ruling.priority,
        "interval_s": router.interval / CENTISECONDS,
        "interface": part.link.name if part.link else router.interface,
        "address": str(part.own) if part.own else None,
        "virtual_mac": part.mac.hex(":") if part.mac else None,
        "master": str(master.source) if master else None,
        "peers": [_peer(speaker, peer, now) for peer in part.peers.values()],
        "adverts_sent": part.sent,
        "adverts_received": part.adverts,
        "adverts_ignored": {flaw.value: count for flaw, count in part.flaws.items()},
    }


def _peer(speaker: Speaker, peer: Peer, now: float) -> VrrpPeerView:
    name = _name_of(speaker, peer)
    leads = "master" if now < peer.leads_until else "silent"
    return {
        "address": str(peer.source),
        "node": name if name != str(peer.source) else None,
        "mac": peer.mac.hex(":") if peer.mac else None,
        "state": "left" if peer.priority == RELEASE else leads,
        "priority": peer.priority,
        "interval_s": peer.interval / CENTISECONDS,
        "version": peer.version,
        "checksum": peer.checksum.value if peer.version == 3 and peer.source.version == 4 else None,
        "last_advert": rfc3339(speaker.moment(peer.at)),
    }
