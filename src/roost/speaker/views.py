"""What the API shows of a speaker, as plain data; nothing here changes anything."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from roost import __version__
from roost.decide.members import ClusterMember
from roost.decide.vrrp.foresight import Supposed
from roost.model.address import canonical
from roost.model.explain import explain, why_kept
from roost.model.ranking import Ranking
from roost.model.service import Service
from roost.model.tenure import failback_text
from roost.model.what_if import ContradictionError, UnknownNameError, what_if
from roost.observe.event_store import event_view
from roost.observe.metrics import Metric
from roost.observe.moment import rfc3339
from roost.speaker.balanced import backends
from roost.speaker.dead_ends import dead_ends
from roost.speaker.fitness import check_views, fitness_view
from roost.speaker.metrics import metrics
from roost.speaker.problems import notes, problems, why_not_announcing
from roost.speaker.shares import mute, parts
from roost.speaker.speaker import Speaker
from roost.speaker.status_types import (
    AlarmView,
    InterfaceView,
    MemberView,
    PassingOnView,
    ServiceView,
    StatusView,
)
from roost.speaker.vrrp import vrrp_machines, vrrp_prospects, vrrp_view

__all__ = ["SpeakerViews"]

_CLIENTS: Final = 20  # named of those that asked for a service


class SpeakerViews:
    """The views of one speaker (`roost.speaker.api.Views`)."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    async def look(self) -> None:
        """Look at what is looked at only when somebody asks, for `status`."""
        await self._speaker.adapters.look_at_connections()

    async def look_at_backends(self) -> None:
        """Count what is open to backends, for whatever shows them."""
        await self._speaker.adapters.forwarding.look()

    def status(self) -> StatusView:
        """Everything that `roost status` shows; times are RFC 3339 in UTC."""
        speaker = self._speaker
        config = speaker.config
        return {
            "node": speaker.name,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": rfc3339(speaker.started),
            "problems": [
                {"kind": each.kind, "severity": each.severity.value, "text": each.text, "cure": each.cure}
                for each in problems(speaker, time.monotonic())
            ],
            "notes": [{"kind": each.kind, "text": each.text, "cure": each.cure} for each in notes(speaker)],
            "settled": speaker.decider.state.settling.settled,
            "waiting_for": speaker.waiting_for,
            "cut_off": speaker.decider.state.isolation.isolated,
            "draining": speaker.decider.state.drain.draining,
            "not_passing_on": speaker.adapters.not_passing_on,
            "profile": config.membership.profile if config.membership else None,
            "config": {
                "path": speaker.source.origin,
                "loaded_at": rfc3339(speaker.loaded),
                "digest": speaker.source.desired.digest,
                "error": speaker.config_error,
                "trouble": list(speaker.source.trouble),
                "warnings": [str(each) for each in speaker.complaints],
            },
            "members": self._members(),
            "services": self._services(),
            "interfaces": self._interfaces(),
            "alarms": self._alarms(),
            "counters": {
                "membership": dict(speaker.adapters.cluster.counters),
                "announce": dict(speaker.adapters.announcer.counters),
                "vrrp": dict(speaker.adapters.vrrp.counters),
                "witness": dict(speaker.decider.state.watch.counters + speaker.adapters.probes.counters),
                "clients": {
                    "known": len(speaker.decider.state.clients.table),
                    "stragglers_packets": speaker.decider.state.clients.followed.packets,
                },
            },
        }

    def names(self) -> Mapping[str, Any]:
        """The names that an operator may type: of nodes, lost ones, services and addresses."""
        state = self._speaker.decider.state
        return {
            "nodes": sorted(state.election.candidates),
            "lost": sorted(state.fates.lost),
            "services": sorted(state.election.rankings),
            "addresses": [canonical(each) for each in sorted(state.plan.known, key=str)],
        }

    def explain(self, key: str) -> Mapping[str, Any]:
        """The ranking of the service with the name or address `key`; raises UnknownNameError."""
        speaker = self._speaker
        ranking = speaker.decider.state.election.find(key)
        if ranking is None:
            raise UnknownNameError(f"no service has the name or address {key}")
        change = speaker.records.history.last(ranking.service.name)
        return explain(ranking, speaker.decider.state.election.candidates) | {
            "judged_by_swim_alone": sorted(speaker.decider.state.watch.unproven()),
            "since": rfc3339(change.since),
            "change": change.why,
            "mute": mute(speaker, ranking),
            "passing_on": self._passing_on(ranking.service),
            "backends": backends(speaker, ranking.service),
            "checks": check_views(speaker, ranking.service.name),
            "vrrp": vrrp_view(speaker, ranking.service.name),
            "problems": [*self._doubts(), *self._problems(ranking.service, dead_ends(speaker))],
            **self._clients(ranking.service),
        }

    def what_if(
        self, *, down: list[str], add: list[str], drain: list[str], address: str | None
    ) -> Mapping[str, Any]:
        """What would move; raises UnknownNameError and ContradictionError."""
        election = self._speaker.decider.state.election
        services = [ranking.service for ranking in election.rankings.values()]
        found = what_if(
            services,
            election.candidates.values(),
            down=down,
            add=add,
            drain=drain,
            address=address,
            fitness=election.fitness,
            holders=election.holders,
            foreseen=vrrp_prospects(self._speaker, Supposed(down, drain, add)),
            outsiders=vrrp_machines(self._speaker),
        )
        return found.as_data()

    def drain(self, node: str, *, wish: bool | None) -> Mapping[str, Any]:
        """How far `node` is with draining, after passing on the wish.

        Raises UnknownNameError, and ContradictionError for a lost node: its last word is no longer true.
        """
        speaker = self._speaker
        candidate = speaker.decider.state.election.candidates.get(node)
        if candidate is None:
            raise UnknownNameError(f"no node has the name {node}")
        if candidate.verdict.lost:
            raise ContradictionError(f"{node} is lost ({candidate.verdict.value}): it leads nothing to drain")
        speaker.wish(node, wish=wish)
        progress = speaker.decider.drain_progress(node, time.monotonic())
        if progress is None:
            return {"node": node, "known": False}
        return {"known": True} | asdict(progress)

    def forget(self, node: str) -> Mapping[str, Any]:
        """Miss a lost member no more; raises UnknownNameError for one that is not missed."""
        if not self._speaker.forget(node):
            raise UnknownNameError(f"no member of the name {node} is missed")
        return {"node": node, "forgotten": True}

    def events(self, since: int) -> Mapping[str, Any]:
        """What has happened after the event with the serial `since`, oldest first."""
        return {
            "node": self._speaker.name,
            "started_at": rfc3339(self._speaker.started),
            "events": [
                {"serial": record.serial, **event_view(record.when, record.event)}
                for record in self._speaker.records.recent.since(since)
            ],
        }

    async def history(self, most: int, about: str) -> Mapping[str, Any]:
        """The last `most` events that are kept over restarts, oldest first; `about`: that name it."""
        return {"node": self._speaker.name, **await self._speaker.records.event_store.read(most, about)}

    def traffic(self) -> Mapping[str, Any]:
        """Packets and questions for each address that is answered here, since somebody began to look."""
        speaker = self._speaker
        here = speaker.decider.announcements
        packets = speaker.adapters.traffic.look(here, speaker.decider.state.announcing_links)
        tallies = speaker.adapters.announcer.tallies
        return {
            "node": speaker.name,
            "addresses": {
                canonical(address): {
                    "packets": packets[address],
                    "requests": tallies[address].requests if address in tallies else 0,
                }
                for address in here
            },
        }

    def metrics(self) -> Iterable[Metric]:
        """A snapshot of all counters and gauges."""
        return metrics(self._speaker)

    def _members(self) -> list[MemberView]:
        """All members, and those that are missed, however long gossip has forgotten them."""
        fates = self._speaker.decider.state.fates
        known = {each.name: each for each in self._speaker.adapters.cluster.members()}
        shown = {name: each for name, each in known.items() if not each.verdict.lost} | dict(fates.lost)
        return [self._member(each) for _, each in sorted(shown.items())]

    def _member(self, member: ClusterMember) -> MemberView:
        return {
            "name": member.name,
            "address": str(member.endpoint) if member.endpoint else "",
            "verdict": member.verdict.value,
            "draining": member.metadata.draining,
            "since": rfc3339(self._speaker.moment(member.since)),
            "incarnation": member.incarnation,
            "evidence": member.evidence,
            "labels": dict(member.metadata.labels),
            "macs": [mac.hex(":") for mac in member.metadata.macs],
            "roost": member.metadata.version or None,
            "same_services": not member.wants_others(self._speaker.source.desired.digest),
        }

    def _services(self) -> list[ServiceView]:
        rankings, dead = self._speaker.decider.state.election.rankings, dead_ends(self._speaker)
        return [self._service(ranking, dead) for _, ranking in sorted(rankings.items())]

    def _service(self, ranking: Ranking, dead: Mapping[str, str]) -> ServiceView:
        speaker, service = self._speaker, ranking.service
        answering = [each for each in service.addresses if each in speaker.decider.announcements]
        interfaces = {name for each in answering for name in speaker.adapters.announcer.interfaces_for(each)}
        change = speaker.records.history.last(service.name)
        return {
            "name": service.name,
            "addresses": [canonical(address) for address in service.addresses],
            "leader": ranking.leader,
            "sharing": None if service.sharing is None else {"by": service.sharing.by},
            "shares": dict(parts(speaker, ranking)) or None,
            "since": rfc3339(change.since),
            "change": change.why,
            "answering": bool(answering),
            "interfaces": sorted(interfaces),
            "failback": failback_text(service.failback),
            "why_kept": why_kept(ranking, speaker.decider.state.election.candidates),
            "connections": {
                canonical(each): speaker.adapters.connections(each) for each in service.addresses
            },
            "passing_on": self._passing_on(service),
            "backends": backends(speaker, service),
            "fitness": fitness_view(speaker, service.name),
            "vrrp": vrrp_view(speaker, service.name),
            "problems": self._problems(service, dead),
        }

    def _passing_on(self, service: Service) -> list[PassingOnView]:
        """Who holds connections of the service that this node passes on; None: how many it has yet to say."""
        passing_on = self._speaker.decider.passing_on
        return [
            {"address": canonical(address), "node": node, "connections": holder.connections}
            for address in service.addresses
            if address in passing_on.onward.onward
            for node, holder in sorted(passing_on.holders.of(address).items())
        ]

    def _clients(self, service: Service) -> dict[str, Any]:
        """Who asked for the service's addresses, the latest first: some, and how many are known."""
        table = self._speaker.decider.state.clients.table
        known = {each.client: each.mac for each in table.of(service.addresses)}
        return {
            "clients": [
                {"address": canonical(client), "mac": mac.hex(":")}
                for client, mac in islice(known.items(), _CLIENTS)
            ],
            "clients_known": len(known),
        }

    def _doubts(self) -> list[str]:
        if not self._speaker.decider.state.isolation.isolated:
            return []
        return ["this node hears nobody, and cannot know which of the others live"]

    def _problems(self, service: Service, dead: Mapping[str, str]) -> list[str]:
        """What keeps the service from working as wanted on this node, one line each."""
        speaker = self._speaker
        problems = [str(each) for each in speaker.complaints if each.service == service.name]
        problems += [
            speaker.adapters.delivery.undeliverable[each]
            for each in service.addresses
            if each in speaker.adapters.delivery.undeliverable
        ]
        shares = speaker.decider.state.plan.shares
        problems += [
            f"{canonical(address)}: {', '.join(mute)} does not answer its share, and others stand in"
            for address in service.addresses
            if (mute := sorted(shares.mute(address)))
        ]
        problems += [
            f"{canonical(address)} is {speaker.decider.why(address)}"
            for address in service.addresses
            if address in speaker.decider.state.yielding.addresses
        ]
        return problems + ([dead[service.name]] if service.name in dead else [])

    def _interfaces(self) -> list[InterfaceView]:
        """Every link but lo: what answers there, or why it does not announce."""
        speaker = self._speaker
        responders = speaker.adapters.announcer.responders
        reasons = {link.index: why_not_announcing(speaker, link) for link in speaker.decider.state.links}
        return [
            {
                "name": link.name,
                "mac": link.mac.hex(":"),
                "announcing": not reasons[link.index],
                "reason": reasons[link.index],
                "responder": responders[link.index].kind if link.index in responders else "",
                "responder_reason": responders[link.index].why if link.index in responders else "",
            }
            for link in speaker.decider.state.links
            if not link.loopback
        ]

    def _alarms(self) -> list[AlarmView]:
        now = time.monotonic()
        return [
            {
                "kind": alarm.kind,
                "address": canonical(alarm.address),
                "mac": alarm.mac.hex(":"),
                "interface": alarm.interface,
                "peer": alarm.peer,
                "first": self._speaker.moment(alarm.first).timestamp(),
                "last": self._speaker.moment(alarm.last).timestamp(),
                "count": alarm.count,
            }
            for alarm in self._speaker.decider.alarms(now)
        ]
