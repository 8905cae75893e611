"""Views of balanced services: each backend as this node sees it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from roost.decide.forwarding.balancing import key_of
from roost.model.address import canonical
from roost.model.service import Service
from roost.observe.metrics import Metric
from roost.observe.moment import rfc3339
from roost.speaker.problem_kinds import Problem, listed
from roost.speaker.speaker import Speaker
from roost.speaker.status_types import BackendView

__all__ = ["backend_metrics", "backends", "problems_of_backends"]


def backends(speaker: Speaker, service: Service) -> list[BackendView]:
    """Return what is known of each backend of a service, none where it has none."""
    found: list[BackendView] = []
    balancing = speaker.adapters.forwarding.balancing
    for backend in service.forward.backends if service.forward else ():
        key = key_of(service, backend)
        state = balancing.states.get(key)
        if state is None:
            continue
        found.append(
            {
                "address": canonical(backend.address),
                "port": backend.port or None,
                "state": state.state,
                "why": state.why,
                "since": rfc3339(speaker.moment(state.since)),
                "weight": state.backend.weight,
                "draining": state.backend.weight == 0,
                "usable": state.usable,
                "connections": speaker.adapters.forwarding.connections(service, key),
            }
        )
    return found


def backend_metrics(speaker: Speaker) -> Iterable[Metric]:
    """Return what is counted for each backend, and for each balanced service."""
    labels = ("service", "backend")
    up: dict[tuple[str, ...], float] = {}
    weights: dict[tuple[str, ...], float] = {}
    connections: dict[tuple[str, ...], float] = {}
    served: dict[tuple[str, ...], float] = {}
    balancing = speaker.adapters.forwarding.balancing
    for service in balancing.services:
        served[(service.name,)] = float(balancing.is_served(service.name))
    names = {service.name: service for service in balancing.services}
    for key, state in balancing.states.items():
        row = (key.service, str(key.target))
        up[row] = float(state.state in ("up", "unchecked"))
        weights[row] = float(state.backend.weight)
        connections[row] = float(speaker.adapters.forwarding.connections(names[key.service], key))
    yield Metric("roost_backend_up", "1 while this node's checks find it well", "gauge", labels, up)
    yield Metric("roost_backend_weight", "Its share of new clients", "gauge", labels, weights)
    yield Metric(
        "roost_backend_connections", "Open connections by way of this node", "gauge", labels, connections
    )
    yield Metric("roost_quorum", "1 while enough backends are usable", "gauge", ("service",), served)
    changes: dict[tuple[str, ...], float] = {(): float(speaker.adapters.forwarding.host.transactions)}
    yield Metric("roost_forward_transactions", "Changes of the rules in the kernel", "counter", (), changes)
    took: dict[tuple[str, ...], float] = {(): speaker.adapters.forwarding.host.last_took}
    yield Metric("roost_forward_transaction_seconds", "What the last of them took", "gauge", (), took)


def problems_of_backends(speaker: Speaker) -> Iterator[Problem]:
    """Yield services without a quorum, and backends that are down."""
    balancing = speaker.adapters.forwarding.balancing
    down: Counter[str] = Counter()
    told: dict[str, list[str]] = {}
    for key, state in balancing.states.items():
        if state.state == "down":
            down[key.service] += 1
            told.setdefault(key.service, []).append(f"{key.target} ({state.why})")
    for service in balancing.services:
        names = told.get(service.name, [])
        named = listed(names)
        if not balancing.is_served(service.name):
            text = f"{service.name}: {balancing.shortage(service.name)}"
            yield Problem("no quorum", f"{text}; down: {named}" if named else text)
        elif named:
            yield Problem("backend down", f"{service.name}: {named}")
