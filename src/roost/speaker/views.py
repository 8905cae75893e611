"""What the API shows of a speaker, as plain data; nothing here changes anything."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from roost import __version__
from roost.model.address import canonical
from roost.model.explain import explain
from roost.model.link import why_silent
from roost.model.node import Verdict
from roost.model.ranking import Ranking
from roost.model.service import Service
from roost.model.what_if import UnknownNameError, what_if
from roost.observe.metrics import Metric
from roost.speaker.problems import problems
from roost.speaker.speaker import Speaker

__all__ = ["SpeakerViews"]

_DEAD: Final = frozenset({Verdict.DEAD, Verdict.UNREACHABLE})


class SpeakerViews:
    """The views of one speaker (`roost.speaker.api.Views`)."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def status(self) -> Mapping[str, Any]:
        """Everything that `roost status` shows; times are RFC 3339 in UTC."""
        speaker = self._speaker
        config = speaker.config
        return {
            "node": speaker.name,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": _iso(speaker.started),
            "problems": [asdict(each) for each in problems(speaker, time.monotonic())],
            "settled": speaker.decider.state.settling.settled,
            "waiting_for": speaker.waiting_for,
            "cut_off": speaker.decider.state.isolation.isolated,
            "draining": speaker.decider.state.drain.draining,
            "profile": config.membership.profile if config.membership else None,
            "config": {
                "path": speaker.source.origin,
                "loaded_at": _iso(speaker.loaded),
                "digest": speaker.source.desired.digest,
                "error": speaker.config_error,
                "trouble": list(speaker.source.trouble),
                "warnings": [str(each) for each in speaker.complaints],
            },
            "members": self._members(),
            "services": [
                self._service(ranking)
                for _, ranking in sorted(speaker.decider.state.election.rankings.items())
            ],
            "interfaces": self._interfaces(),
            "alarms": self._alarms(),
            "counters": {
                "membership": dict(speaker.cluster.counters),
                "announce": dict(speaker.announcer.counters),
                "witness": dict(speaker.decider.state.watch.counters + speaker.probes.counters),
                "clients": {
                    "known": len(speaker.decider.state.clients.table),
                    "stragglers_packets": speaker.decider.state.clients.followed.packets,
                },
            },
        }

    def explain(self, key: str) -> Mapping[str, Any]:
        """The ranking of the service with the name or address `key`; raises UnknownNameError."""
        speaker = self._speaker
        ranking = speaker.decider.state.election.find(key)
        if ranking is None:
            raise UnknownNameError(f"no service has the name or address {key}")
        change = speaker.history.last(ranking.service.name)
        return explain(ranking, speaker.decider.state.election.candidates) | {
            "judged_by_swim_alone": sorted(speaker.decider.state.watch.unproven()),
            "since": _iso(change.since),
            "change": change.why,
            "problems": self._problems(ranking.service),
        }

    def what_if(
        self, *, down: list[str], add: list[str], drain: list[str], address: str | None
    ) -> Mapping[str, Any]:
        """What would move; raises UnknownNameError and ContradictionError."""
        election = self._speaker.decider.state.election
        services = [ranking.service for ranking in election.rankings.values()]
        found = what_if(
            services, election.candidates.values(), down=down, add=add, drain=drain, address=address
        )
        return {
            "moves": [
                {
                    "service": move.service.name,
                    "addresses": [canonical(each) for each in move.service.addresses],
                    "before": move.before,
                    "after": move.after,
                    "why": move.why,
                }
                for move in found.moves
            ],
            "staying": found.staying,
            "total": found.total,
        }

    def drain(self, node: str, *, wish: bool | None) -> Mapping[str, Any]:
        """How far `node` is with draining, after passing on the wish; raises UnknownNameError."""
        speaker = self._speaker
        if node not in speaker.decider.state.election.candidates:
            raise UnknownNameError(f"no node has the name {node}")
        speaker.wish(node, wish=wish)
        progress = speaker.decider.drain_progress(node, time.monotonic())
        if progress is None:
            return {"node": node, "known": False}
        return {"known": True} | asdict(progress)

    def metrics(self) -> Iterable[Metric]:
        """A snapshot of all counters and gauges."""
        speaker = self._speaker
        announced: dict[tuple[str, ...], float] = {
            (ranking.service.name, canonical(address)): float(address in speaker.decider.announcements)
            for ranking in speaker.decider.state.election.rankings.values()
            for address in ranking.service.addresses
        }
        verdicts: Counter[tuple[str, ...]] = Counter(
            (member.verdict.value,) for member in speaker.cluster.members()
        )
        yield Metric(
            "roost_speaker_announced", "1 while this node answers", "gauge", ("service", "ip"), announced
        )
        yield Metric(
            "roost_speaker_settled",
            "1 once this node may claim",
            "gauge",
            (),
            {(): float(speaker.decider.state.settling.settled)},
        )
        yield Metric("roost_members", "Members by verdict", "gauge", ("verdict",), verdicts)
        yield Metric(
            "roost_config_stale",
            "1 while the last reload was refused",
            "gauge",
            (),
            {(): float(speaker.config_error is not None)},
        )
        for part, counters in (
            ("membership", speaker.cluster.counters),
            ("announce", speaker.announcer.counters),
        ):
            samples: dict[tuple[str, ...], float] = {
                (event,): float(count) for event, count in counters.items()
            }
            yield Metric(f"roost_{part}_events", f"What happened in {part}", "counter", ("event",), samples)
        yield Metric(
            "roost_source_trouble",
            "Kinds of objects that the API server does not tell about now",
            "gauge",
            (),
            {(): float(len(speaker.source.trouble))},
        )
        yield Metric(
            "roost_failover_seconds",
            "From a lost leader's last sign of life to the announcement here, for each address taken over",
            "histogram",
            histogram=speaker.failovers,
        )
        yield from self._layer2_metrics()
        if speaker.config.metallb_metrics:
            yield from self._metallb_metrics()

    def _metallb_metrics(self) -> Iterable[Metric]:
        """The same facts under MetalLB's names; its counters lack the suffix that Prometheus wants."""
        speaker = self._speaker
        tallies = speaker.announcer.tallies
        for event, name in (
            ("requests", "metallb_layer2_requests_received"),
            ("responses", "metallb_layer2_responses_sent"),
            ("gratuitous", "metallb_layer2_gratuitous_sent"),
        ):
            samples: dict[tuple[str, ...], float] = {
                (canonical(address),): float(count)
                for address, tally in tallies.items()
                if (count := getattr(tally, event))
            }
            yield Metric(name, f"As roost_layer2_{event}", "untyped", ("ip",), samples)
        rankings = speaker.decider.state.election.rankings
        announced: dict[tuple[str, ...], float] = {
            (rankings[name].service.known_as, "layer2", speaker.name, canonical(address)): 1.0
            for name in speaker.decider.state.election.led_by(speaker.name)
            for address in rankings[name].service.addresses
            if address in speaker.decider.announcements
        }
        labels = ("service", "protocol", "node", "ip")
        yield Metric("metallb_speaker_announced", "1 while this node answers", "gauge", labels, announced)
        for name, value in (("loaded", True), ("stale", speaker.config_error is not None)):
            yield Metric(
                f"metallb_k8s_client_config_{name}_bool", "As MetalLB's", "gauge", (), {(): float(value)}
            )

    def _layer2_metrics(self) -> Iterable[Metric]:
        tallies = self._speaker.announcer.tallies
        for event, about in (
            ("requests", "ARP and ND requests for an address that this node answers for"),
            ("responses", "Answers sent to them"),
            ("gratuitous", "Gratuitous ARP and unsolicited NA frames sent"),
            ("packets", "IP packets for the address, where the kernel answers and counts"),
        ):
            samples: dict[tuple[str, ...], float] = {
                (canonical(address),): float(getattr(tally, event)) for address, tally in tallies.items()
            }
            yield Metric(f"roost_layer2_{event}", about, "counter", ("ip",), samples)

    def _members(self) -> list[dict[str, Any]]:
        return [
            {
                "name": member.name,
                "address": str(member.endpoint) if member.endpoint else "",
                "verdict": member.verdict.value,
                "since": _iso(self._speaker.moment(member.since)),
                "incarnation": member.incarnation,
                "evidence": member.evidence,
                "labels": dict(member.metadata.labels),
                "macs": [mac.hex(":") for mac in member.metadata.macs],
                "roost": member.metadata.version or None,
                "same_services": member.metadata.digest in ("", self._speaker.source.desired.digest),
            }
            for member in self._speaker.cluster.members()
        ]

    def _service(self, ranking: Ranking) -> dict[str, Any]:
        speaker, service = self._speaker, ranking.service
        answering = [each for each in service.addresses if each in speaker.decider.announcements]
        interfaces = {name for each in answering for name in speaker.announcer.interfaces_for(each)}
        return {
            "name": service.name,
            "addresses": [canonical(address) for address in service.addresses],
            "leader": ranking.leader,
            "since": _iso(speaker.history.last(service.name).since),
            "change": speaker.history.last(service.name).why,
            "answering": bool(answering),
            "interfaces": sorted(interfaces),
            "problems": self._problems(service),
        }

    def _problems(self, service: Service) -> list[str]:
        """What keeps the service from working as wanted on this node, one line each."""
        speaker = self._speaker
        problems = [str(each) for each in speaker.complaints if each.service == service.name]
        problems += [
            speaker.delivery.undeliverable[each]
            for each in service.addresses
            if each in speaker.delivery.undeliverable
        ]
        problems += [
            f"{canonical(address)} is {speaker.decider.why(address)}"
            for address in service.addresses
            if address in speaker.decider.state.yielding.addresses
        ]
        return problems + self._dead_ends(service)

    def _dead_ends(self, service: Service) -> list[str]:
        """Tell of endpoints on dead nodes: traffic is still sent there, wherever the address is."""
        serving = self._speaker.source.serving_nodes(service.known_as)
        if not serving:
            return []
        candidates = self._speaker.decider.state.election.candidates
        dead = sorted(node for node in serving if node in candidates and candidates[node].verdict in _DEAD)
        if not dead:
            return []
        if len(dead) == len(serving):
            return [f"no endpoint is left on a living node, all are on {', '.join(dead)}"]
        return [
            f"endpoints on {', '.join(dead)} get their share of the connections and cannot serve, until the "
            "control plane takes them out"
        ]

    def _interfaces(self) -> list[dict[str, Any]]:
        """Every link but lo: what answers there, or why it does not announce."""
        speaker = self._speaker
        responders = speaker.announcer.responders
        reasons = {
            link.index: why_silent(link, speaker.config.interfaces)
            or speaker.announcer.failed.get(link.index, "")
            for link in speaker.decider.state.links
        }
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

    def _alarms(self) -> list[dict[str, Any]]:
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


def _iso(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 text with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
