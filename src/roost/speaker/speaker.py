"""One node's process without its signals: how it starts, follows its source, hands over, and ends.

source -> Environment -> Decider <-> Adapters
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Final

from roost import __version__
from roost.decide.decider import Decider
from roost.decide.join_target import JoinTarget
from roost.decide.standing.self_description import plain_metadata
from roost.model.complaint import Complaint
from roost.model.election import Prepared
from roost.model.event import Event, Happening
from roost.model.link import Link
from roost.observe.records import Records
from roost.protocols.words.metadata import encode
from roost.runtime.run_folder import lasting_folder
from roost.settings import SpeakerSettings, diff
from roost.speaker.adapters import Adapters
from roost.speaker.environment import Environment
from roost.speaker.rival import Rival
from roost.speaker.settings import decider_settings
from roost.speaker.source import Source

__all__ = ["Speaker"]

_log = logging.getLogger("roost.speaker")

_QUIET: Final = 1.0  # seconds without packets for its addresses after which a leaving node ends
_POLL: Final = 0.05  # seconds


class Speaker:
    """A node: `start`, then `run` while changes flow by themselves, then `hand_over` and `stop`."""

    rival: Rival | None = None  # who tried to start in this network namespace last

    def __init__(self, source: Source) -> None:
        config = source.settings
        self.started = self.loaded = datetime.now(UTC)
        self.config_error: str | None = None
        self.waiting_for = ""  # what has to be there before it starts
        self.at_next_start: frozenset[str] = frozenset()  # fields of a reload that this process leaves alone
        self.environment = Environment(source)
        socket = config.status.socket
        self.records = Records(
            lasting_folder(socket),
            socket.stem,
            lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call),
        )
        self.decider = Decider(decider_settings(config), SystemRandom())
        self.adapters = Adapters(source, self.decider, self.records, self._on_links)
        self._running = False

    @property
    def source(self) -> Source:
        """Whose services it announces."""
        return self.adapters.source

    @property
    def config(self) -> SpeakerSettings:
        """What it is told to be."""
        return self.source.settings

    @property
    def name(self) -> str:
        """This node's name."""
        return self.config.node

    async def start(self) -> None:
        """Prepare addresses and sockets, then join; claims nothing before membership has settled.

        Raises LocalDeliveryError, CapabilityError, BindError, MetadataError or OSError, whose texts name the
        cure.
        """
        adapters = self.adapters
        await adapters.look()
        now = adapters.now()
        self.environment.look(adapters.links.links)
        self.decider.want(self.source.desired, self.environment.refused, "", now)
        await adapters.open(self.environment.refused)
        encode(self.decider.metadata(now))
        self.records.event_store.follow(Event(Happening.STARTED, f"roost {__version__} starts"))
        self._running = True
        await adapters.join()

    async def run(self) -> None:
        """Work beside the deciding until cancelled; a part that dies ends this with its reason."""
        await self.adapters.run()

    async def hand_over(self) -> None:
        """Leave the cluster, and answer for each address until its successor was heard or time is up.

        Connections that others hold are passed on from here until nothing comes any more, too.
        """
        led = len(self.decider.announcements)
        _log.info("handing over", extra={"addresses": led})
        await self.adapters.leave()
        while self.decider.held:  # noqa: ASYNC110 - the machine has a deadline of its own
            await asyncio.sleep(0.01)
        if self.decider.state.plan.passed_on and (led or self.decider.passing_on.onward.onward):
            await self._serve_stragglers()
        if not self.decider.state.own_connections.counted:
            await self.adapters.counting.count()  # what has no connections does not outlive this process
        await self.adapters.hooks.idle()

    async def stop(self) -> None:
        """End at once: fall silent, take the addresses from the host, close everything."""
        if self.decider.state.leaving:
            self.adapters.tell(self.decider.end)
        await self.adapters.close()
        self.records.close()

    def look_for_room(self, source: Source) -> None:
        """Raise MetadataError when gossip has no room for what this node would say of itself."""
        links = self.adapters.links.links
        encode(plain_metadata(links, decider_settings(source.settings), source.desired.digest))

    def reload(self, source: Source, prepared: Prepared) -> Iterator[None]:
        """Put another source in force, whose settings passed `in_force`: only the difference is applied.

        `prepared` are its rankings. It goes in steps, between which the event loop may have its turn.
        """
        config = source.settings
        changed = diff(self.config, config)
        before = {each.name for each in self.source.desired.services}
        self.adapters.source = source
        self.config_error = None
        self.loaded = datetime.now(UTC)
        self.environment = Environment(source, self.environment)
        if config.membership and "membership.keys" in changed:
            self.adapters.cluster.set_keys(config.membership.keys)
        gone = before - {each.name for each in source.desired.services}
        self.adapters.hooks.configure(config.hooks, gone)
        self.adapters.tell(self.decider.configure, decider_settings(config))
        yield
        yield from self._in_steps("the configuration changed", prepared)
        _log.info(
            "configuration loaded",
            extra={
                "services": len(self.source.desired.services),
                "changed": ",".join(sorted(changed)),
            },
        )

    def update(self, why: str) -> None:
        """Follow what the source wants now."""
        for _ in self._in_steps(why):
            pass

    def refuse(self, errors: Sequence[str]) -> None:
        """Keep the last good configuration and remember why the new one is not in force."""
        self.config_error = "; ".join(errors)
        for error in errors:
            _log.error("the last good configuration stays in force: %s", error)

    def join(self, targets: Sequence[JoinTarget]) -> None:
        """Join through these from now on."""
        self.adapters.tell(self.decider.configure, decider_settings(self.config, targets))

    def wish(self, node: str, *, wish: bool | None) -> None:
        """Pass on an operator's wish to drain `node`, or no more; None asks how far it is."""
        self.adapters.tell(self.decider.wish, node, wish)

    def forget(self, node: str) -> bool:
        """Miss a lost member no more, here and at the peers; tells whether it was missed."""
        known = self.decider.forget(node, self.adapters.now())
        self.adapters.flush()
        return known

    @property
    def complaints(self) -> Sequence[Complaint]:
        """What of the source does not fit this host."""
        return self.environment.complaints

    def moment(self, then: float) -> datetime:
        """Return the wall clock's time (UTC) for a time of the loop."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - then)

    def _in_steps(self, why: str, prepared: Prepared | None = None) -> Iterator[None]:
        if not self._running:
            return  # `start` looks at the source itself
        self.environment.look(self.adapters.links.links)
        yield
        refused = self.environment.refused
        self.decider.want(self.source.desired, refused, why, self.adapters.now(), prepared)
        self.adapters.want(refused)
        yield
        self.adapters.flush()
        self.records.history.keep({service.name for service in self.source.desired.services})

    def _on_links(self, links: Sequence[Link]) -> None:
        # What a lost interface means for each service follows from the line about it.
        if self.environment.look(links, quietly=bool(self.adapters.link_log.lost)):
            self.update("the host's addresses changed")

    async def _serve_stragglers(self) -> None:
        """Go on forwarding and serving until no packets for the addresses have come for a while."""
        followed = self.decider.state.clients.followed
        begin = self.adapters.now()
        while self.adapters.now() - max(begin, followed.last_packet) < _QUIET:  # noqa: ASYNC110 - the kernel counts
            await asyncio.sleep(_POLL)
        _log.info("no packets come here any more", extra={"packets": followed.packets})
