"""What a node does of what its decider wants: a match over effects.

What it must not know: why anything is done, packet and file formats.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from roost.decide import effects
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.model.service import Service
from roost.protocols.machine import Effect
from roost.protocols.words.metadata import MetadataError
from roost.runtime.resolver import resolve
from roost.speaker.trace import trace

if TYPE_CHECKING:
    from roost.speaker.adapters import Adapters

__all__ = ["Hands"]

_log = logging.getLogger("roost.speaker")


class Hands:
    """Carries effects out by `adapters`."""

    def __init__(self, adapters: "Adapters") -> None:
        self._adapters = adapters
        self._decider = adapters.decider
        self._asking: set[str] = set()  # services whose proxy is being asked

    def carry_out(self, effect: Effect) -> None:
        """Do what the decider wants."""
        self._do(effect)
        pings = self._adapters.pings
        if pings is not None and not isinstance(effect, effects.Probe):  # most are
            pings.carry_out(effect)

    def _do(self, effect: Effect) -> None:  # noqa: C901, PLR0912, PLR0915 - one line for each effect
        trace(effect)
        adapters = self._adapters
        match effect:
            case effects.Probe(target, kind):
                adapters.probes.ask(target, kind)
            case effects.Renew(until):
                adapters.announcer.renew(until)
                self._decider.set_spreading(not adapters.announcer.why_not_spread, adapters.now())
                self._decider.set_passing_on(not adapters.not_passing_on, adapters.now())
            case effects.Answer(announcements):
                adapters.virtual_macs.follow(_virtual(announcements.values(), adapters.announcer.links))
                adapters.announcer.answer(announcements)
                adapters.loop.call_soon(adapters.on_answering)
            case effects.Announce(addresses, sparing):
                if unsent := adapters.announcer.announce(addresses, sparing=sparing):
                    adapters.tell(self._decider.unsent, unsent)
            case effects.Correct(sightings):
                adapters.announcer.tell(sightings)
            case effects.Ask(addresses):
                adapters.announcer.ask(addresses)
            case effects.SpreadOut(spreads, places):
                adapters.announcer.spread_out(spreads, places)
            case effects.Notice(addresses):
                adapters.announcer.notice(addresses)
            case effects.Open(links):
                adapters.link_log.announcing(links, adapters.links.links, adapters.source.settings.interfaces)
                adapters.announcer.open(links)
                adapters.probes.use(links)
                adapters.cluster.use(links)
                followed = self._decider.state.clients.followed
                adapters.meters.watch(followed.addresses, links, adapters.meters.beside)
            case effects.Listen(targets):
                adapters.probes.listen(targets)
            case effects.AskHosts(hosts, kind, count):
                adapters.probes.ask_hosts(hosts, kind, count)
            case effects.Hold(peers):
                adapters.lifelines.update(peers)
            case effects.Tell(to, word):
                adapters.cluster.tell(to, word)
            case effects.Declare(ground):
                adapters.cluster.declare(ground)
            case effects.Vouch(name, seconds, why):
                adapters.cluster.vouch(name, seconds, why)
            case effects.Doubt(names):
                adapters.cluster.doubt(names)
            case effects.LetWait(wait):
                adapters.announcer.let_peers_wait(wait=wait)
            case effects.Isolate(isolated):
                adapters.cluster.isolate(isolated=isolated)
            case effects.Join(endpoints):
                adapters.cluster.join(endpoints)
            case effects.Resolve(host, port):
                adapters.spawn(self._resolve(host, port))
            case effects.Describe():
                self._describe(effect)
            case effects.Deliver(addresses) if adapters.source.delivers_locally and adapters.running:
                adapters.spawn(adapters.delivery.follow(addresses))
            case effects.SendAdvert(link, source, destination, data, mac):
                adapters.vrrp.send(link, source, destination, data, mac)
            case effects.HearAdverts(wanted):
                adapters.vrrp.follow(wanted, {link.index: link for link in self._decider.state.links})
            case effects.ForgetTracked(addresses):
                adapters.forwarding.forget(addresses)
            case effects.LoosenTracked(addresses):
                adapters.forwarding.loosen(addresses)
            case effects.Follow(addresses, beside):
                adapters.meters.watch(addresses, self._decider.state.announcing_links, beside)
            case effects.PassOn():
                adapters.passing_on.follow(effect)
            case effects.Count(addresses):
                adapters.counting.follow(addresses)
            case effects.Track(checks):
                adapters.checks.follow(checks)
            case effects.Teach(link, client, mac):
                adapters.neighbours.learn(link, client, mac)
            case effects.AskProxy(service) if service.name not in self._asking:
                adapters.spawn(self._ask_proxy(service))
            case effects.Became(change):
                adapters.hooks.became(change)
            case effects.Happened(event):
                adapters.records.events.happened(event)

    def _describe(self, effect: effects.Describe) -> None:
        try:
            self._adapters.cluster.describe(effect.metadata, effect.state)
        except MetadataError as error:
            _log.error("what this node says about itself stays as it was: %s", error)

    async def _resolve(self, host: str, port: int) -> None:
        try:
            found = await resolve(host, port)
        except OSError as error:
            _log.debug("join target %s does not resolve: %s", host, error)
        else:
            self._adapters.tell(self._decider.resolved, host, port, found)

    async def _ask_proxy(self, service: Service) -> None:
        self._asking.add(service.name)
        try:
            if await self._adapters.source.forwards(service):
                self._adapters.tell(self._decider.proxied, service.name)
        finally:
            self._asking.discard(service.name)


def _virtual(announcements: Iterable[Announcement], links: Iterable[Link]) -> set[tuple[int, bytes]]:
    """Return which hardware addresses are answered with on which links (by index), beside the links' own."""
    return {
        (link.index, how.mac) for how in announcements if how.mac for link in links if how.allows(link.name)
    }
