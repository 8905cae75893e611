"""A speaker whose services come from a Kubernetes API.

The API is followed first, then gossip is joined: whom its peers take for a leader knows what to do.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from roost.decide.join_target import JoinTarget
from roost.kubernetes.access import Access
from roost.kubernetes.announced import Announced, AnnouncedService
from roost.kubernetes.client import Api
from roost.kubernetes.configuration_state import ConfigurationState
from roost.kubernetes.credentials import Credentials
from roost.kubernetes.desired import names_of_parts
from roost.kubernetes.resources import SHARING_ANNOTATION
from roost.kubernetes.serving_certificate import MetricsOptions, ServingCertificate
from roost.kubernetes.source import KubernetesSource
from roost.model.address import canonical
from roost.model.eligibility import Reason, interface_allowed, interfaces_of
from roost.model.node import Node
from roost.model.ranking import Ranking, place_digest
from roost.model.service import Service
from roost.protocols.machine import Endpoint
from roost.runtime import garbage, signals
from roost.settings import SpeakerSettings
from roost.speaker.errors import CannotRunError
from roost.speaker.listening import Secured
from roost.speaker.problem_kinds import SPREADING_ON_KUBERNETES
from roost.speaker.process import serve, tell_start
from roost.speaker.speaker import Speaker

__all__ = ["KubernetesOptions", "run"]

_AGAIN: Final = 5.0  # seconds before work beside the announcing is begun anew

_log = logging.getLogger("roost.speaker")


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """Where configuration is and which Services count; `labels` select the speakers' pods."""

    namespace: str
    labels: str = ""
    load_balancer_class: str = ""
    ignore_exclude_label: bool = False
    pod: str = ""
    metrics: MetricsOptions = field(default_factory=MetricsOptions)


async def run(credentials: Credentials, settings: SpeakerSettings, options: KubernetesOptions) -> None:
    """Announce what the cluster wants until a signal asks to leave. Raises CannotRunError."""
    tell_start(settings.node, credentials.server)
    api = Api(credentials)
    source = KubernetesSource(
        api,
        settings,
        options.namespace,
        load_balancer_class=options.load_balancer_class,
        ignore_exclude_label=options.ignore_exclude_label,
        labels=options.labels,
        server=credentials.server,
    )
    following = asyncio.create_task(_for_ever(source.run, "following the API"))
    try:
        _log.info("learning what the cluster wants")
        if await _is_known(source):
            await _announce(api, source, settings, options)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await api.close()


async def _is_known(source: KubernetesSource) -> bool:
    """Wait until the source knows what the cluster wants; False when a signal came first."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signals.handle(loop, number, stop.set)  # until `serve` takes over
    signals.handle(loop, signal.SIGHUP, lambda: _log.info("nothing to read again: the API tells of changes"))
    waits = [asyncio.create_task(source.synced()), asyncio.create_task(stop.wait())]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
    return not stop.is_set()


async def _announce(
    api: Api, source: KubernetesSource, settings: SpeakerSettings, options: KubernetesOptions
) -> None:
    speaker = Speaker(source)
    announced = Announced(
        api,
        options.namespace,
        settings.node,
        source.services,
        lambda: _announced(speaker, source),
        pod=options.pod,
    )

    labels = {"component-type": "speaker", "node-name": settings.node}
    name = f"speaker-{settings.node}"
    state = ConfigurationState(api, options.namespace, name, labels, "configReconcilerValid")

    def judged() -> None:
        state.set(source.mistakes)
        texts = [str(mistake) for mistake in source.mistakes]
        if not texts:
            speaker.config_error = None
        elif "; ".join(texts) != speaker.config_error:
            speaker.refuse(texts)

    def changed(why: str) -> None:
        judged()
        speaker.update(why)
        announced.changed()

    def joined(targets: Sequence[Endpoint]) -> None:
        speaker.join([JoinTarget(target.host, target.port) for target in targets])

    def drained(wish: bool) -> None:  # noqa: FBT001 - as the source calls it
        speaker.wish(settings.node, wish=wish)

    judged()
    joined(source.targets)
    source.on_peers = joined
    source.on_drain = drained
    speaker.decider.state.drain.wish(source.drain, time.monotonic())  # since before its start
    source.on_change = changed
    source.on_bulk = garbage.settle
    speaker.adapters.on_answering = announced.changed
    telling = [
        asyncio.create_task(_for_ever(announced.run, "telling who announces")),
        asyncio.create_task(state.run()),
    ]
    secured = None
    if options.metrics.secure:
        certificate = _certificate(options)
        telling.append(asyncio.create_task(certificate.run()))
        secured = Secured(certificate.tls, partial(Access(api).guard, path="/metrics"))
    try:
        await serve(speaker, secured=secured)
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)


def _certificate(options: KubernetesOptions) -> ServingCertificate:
    try:
        return ServingCertificate(options.pod or "roost-speaker", options.metrics)
    except OSError as error:
        raise CannotRunError(f"metrics cannot be served by HTTPS: {error}") from error


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
    """Do work beside the announcing, whatever comes: a mistake in it must not cost a running address."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - logged whole, and begun anew
            _log.exception("%s failed; trying again", what)
        await asyncio.sleep(_AGAIN)


def _announced(speaker: Speaker, source: KubernetesSource) -> dict[str, AnnouncedService]:
    """Return the services that this node leads and answers for, and those that fail and it has to tell of."""
    found: dict[str, AnnouncedService] = {}
    election = speaker.decider.state.election
    links = [link.name for link in speaker.adapters.links.links]
    for ranking in election.rankings.values():
        service = ranking.service
        if speaker.name in ranking.answerers:
            each = _answered(speaker, service)
        elif ranking.leader is None and (me := election.candidates.get(speaker.name)):
            each = _failed(ranking, me.node, links)
        else:
            continue
        if each is not None:
            if speaker.name == ranking.leader:
                each = replace(each, warning=_ignored(speaker, source, service))
            known = found.get(service.known_as)
            found[service.known_as] = each if known is None else _joined(known, each)
    return found


def _answered(speaker: Speaker, service: Service) -> AnnouncedService | None:
    decider, election = speaker.decider, speaker.decider.state.election
    left = decider.state.yielding.addresses  # whom they are left to tells of them
    answered = [each for each in service.addresses if each in decider.announcements and each not in left]
    if not answered:
        return None
    limited = decider.announcements[answered[0]].interfaces is not None
    used = speaker.adapters.announcer.interfaces_for(answered[0]) if limited else ()
    answerers = {
        node
        for name in names_of_parts(service.known_as)
        if (ranking := election.rankings.get(name))
        for node in ranking.answerers
    }
    others = frozenset(answerers) - {speaker.name}
    return AnnouncedService(tuple(canonical(each) for each in service.addresses), used, others=others)


def _ignored(speaker: Speaker, source: KubernetesSource, service: Service) -> str:
    """Return which annotation of a service that this node leads has no effect, and what helps, or ""."""
    if why := source.wrong(service.known_as):
        return why
    if (
        service.sharing is None
        or service.sharing.by != "connection"
        or not speaker.adapters.announcer.why_not_spread
    ):
        return ""
    why = speaker.adapters.announcer.why_not_spread
    cause = f'node "{speaker.name}" takes all connections that come to it: {why}'
    return f"{SHARING_ANNOTATION}: connection: {cause} ({SPREADING_ON_KUBERNETES})"


def _failed(ranking: Ranking, me: Node, links: Sequence[str]) -> AnnouncedService | None:
    """Return what this node has to tell of a service that no node has an interface for, if it has to."""
    service = ranking.service
    lacking = [each.node for each in ranking.exclusions if each.reason is Reason.NO_INTERFACE]
    patterns = interfaces_of(service, me)
    if not lacking or not patterns or any(interface_allowed(patterns, link) for link in links):
        return None
    if me.name != min(lacking, key=lambda node: place_digest(service, node)):
        return None
    missing = tuple(pattern.replace("\\", "") for pattern in patterns)
    return AnnouncedService(tuple(canonical(each) for each in service.addresses), missing=missing)


def _joined(one: AnnouncedService, other: AnnouncedService) -> AnnouncedService:
    """Return what two parts of a service are together."""
    interfaces = tuple(sorted({*one.interfaces, *other.interfaces}))
    missing = () if not (one.missing and other.missing) else one.missing
    warning = one.warning or other.warning
    return AnnouncedService((*one.addresses, *other.addresses), interfaces, missing, warning=warning)
