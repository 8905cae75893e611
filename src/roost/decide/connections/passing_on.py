"""Packets of connections that this node does not know: to which node they are passed on.

A move that was planned leaves connections behind on the node that had the address. Its kernel goes on serving
them, if their packets get there. Whoever answers for the address, or still holds connections for it, sends
what it does not know to a node that holds some.
Several may: in which order they are visited is in `row`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from ipaddress import IPv6Address
from typing import Final

from roost.decide import census
from roost.decide.connections.holders import Holders
from roost.decide.connections.own import Own
from roost.decide.connections.parting import Parting
from roost.decide.connections.row import Others, OtherSharers, Row, sharers, stations
from roost.decide.effects import Count, NextHop, Onward, PassOn, Tell
from roost.decide.members import ClusterMember
from roost.decide.state import State
from roost.decide.witnessing.targets import kernel_target
from roost.model.address import IPAddress, in_order
from roost.model.announcement import Announcement
from roost.model.event import Event, Happening
from roost.model.flow import Flow
from roost.model.link import Link
from roost.model.node import Verdict
from roost.protocols.words.held import Held, HeldFlows

__all__ = ["PassingOn"]

_NEW_LINKS: Final = 3.0  # seconds in which a link that has come may lack its addresses yet


class PassingOn:
    """Sees to connections that outlive a move; `onward` is what the host was told last."""

    def __init__(self, state: State) -> None:
        self.onward = PassOn({})
        self.holders: Holders = state.holders
        self._own: Own = state.own_connections
        self._state = state
        self._counted: frozenset[IPAddress] = frozenset()
        # Holders as they were known last: gossip forgets who has left.
        self._met: dict[str, ClusterMember] = {}
        self._stale = False  # whether it has to be worked out anew where packets go
        self._seen: set[IPAddress] = set()  # whose leader before this node is known, if there was one
        self._links: tuple[Link, ...] = ()
        self._links_new_until = float("-inf")
        self._parting = Parting()
        self._left: frozenset[IPAddress] = frozenset()  # what was answered here when this node was to leave
        self._unsure = False  # whether who cannot be reached may be in a moment

    def start(self, now: float) -> None:
        """Begin: look for what a predecessor of this process has left."""
        self.look_back(now)

    def look_back(self, now: float) -> None:
        """Count what this host holds for addresses that it may have led before they came, or came again."""
        if self._state.settings.keep_connections:
            self._own.look_back(now)

    def leave(self) -> None:
        """Hear that this node leaves, which the others are about to be told: first those that take over."""
        self._left = frozenset(self._state.answers.now)

    def lead_moved(self, address: IPAddress, before: str | None, now: float) -> None:
        """Follow that `before` leads `address` no more."""
        keep = self._state.settings.keep_connections if self._state.plan.held_on(address) else 0
        if before is not None and not self._state.plan.lead(address).takers:
            self.holders.forget_guesses(address)
        if before is not None and keep and not self._is_lost(before):
            self._seen.add(address)
            self.holders.presume(address, before, now, keep)

    def shares_moved(
        self, address: IPAddress, before: Collection[str], after: Collection[str], now: float
    ) -> None:
        """Follow that other nodes share `address` than before, or by other weights.

        Clients stay where they are and find another node when they ask anew: each may have connections at
        any other. Who is there says whether it has some.
        """
        keep = self._state.settings.keep_connections
        if not keep:
            return
        self._seen.add(address)
        for name in sorted({*before, *after} - {self._state.me}):
            if name in after:
                known = self.holders.of(address).get(name)
                if known is None or known.guessed:  # what was guessed a moment ago may end too soon
                    self.holders.guess(address, name, now)
            elif not self._is_lost(name):
                self.holders.presume(address, name, now, keep)
        if self._state.me in after:
            self._own.share([address], now, keep)

    def takers_moved(
        self, address: IPAddress, before: Collection[str], after: Collection[str], now: float
    ) -> None:
        """Follow that the leader spreads connections over other nodes than before, or by other weights.

        Each keeps those that it has. Where a proxy has them the leader knows of none but by their word, which
        may take some seconds on a busy host.
        """
        keep = self._state.settings.keep_connections
        self.shares_moved(address, before, after, now)
        if keep and not self._state.plan.is_delivered(address):
            holders = self.holders.of(address)
            for name in [each for each in after if each in holders and holders[each].guessed]:
                self.holders.presume(address, name, now, keep)
        if keep and self._state.me in before and self._state.me not in after:
            self._own.lose([address], now, keep)

    def met(self, name: str) -> ClusterMember | None:
        """Return a member, also one that has left and holds connections."""
        known = next((each for each in self._state.members if each.name == name), None)
        return known or self._met.get(name)

    def answers(
        self, before: Collection[IPAddress], after: Mapping[IPAddress, Announcement], now: float
    ) -> None:
        """Follow what is answered here: before anything new is, the host has to know where the rest goes."""
        keep = self._state.settings.keep_connections
        if not keep:
            return
        held_on = self._moves_whole
        new = [each for each in after if each not in before and held_on(each)]
        for address in new:
            self._guess(address, now)
        self._own.regain([each for each in new if after[each].share is None], now)
        lost = [each for each in before if each not in after and held_on(each)]
        self._own.lose(lost, now, keep)
        self._put(after)

    def follow(self, now: float) -> None:
        """Follow who is there, and what is wanted."""
        known = self._bound() if self._state.settings.keep_connections else frozenset[IPAddress]()
        self.holders.keep(known)
        self._own.regain([each for each in self._own.addresses if each not in known], now)
        self._drop(now)
        self._look_who_leaves(now)
        if self._state.announcing_links != self._links:
            self._links, self._links_new_until = self._state.announcing_links, now + _NEW_LINKS
        self._unsure = now < self._links_new_until
        self._stale = True

    def hear(self, word: Held | HeldFlows, now: float) -> bool:
        """Take what a peer says that it holds, or another one does; tells whether who holds some changed."""
        keep = self._state.settings.keep_connections
        if not keep or all(each.name != word.node for each in self._state.members):
            return False
        if isinstance(word, HeldFlows):
            self._stale |= self.holders.hear_flows(word, now)
            return False
        changed = self.holders.hear(word, self._bound(), now, keep)
        self._stale |= changed
        return changed

    def counted(self, flows: Collection[Flow], now: float) -> None:
        """Take the flows of the addresses that had to be counted."""
        if not self._state.settings.keep_connections:
            return
        answered = self._state.answers.now
        news = self._own.counted_now(flows, answered, now, self._state.settings.keep_connections)
        if news:
            self._tell(now)
            self._stale = True

    def wake(self, now: float) -> bool:
        """Say again what is held, and look after time limits; tells whether it was looked who holds some."""
        self._stale |= self._parting.wake(now)
        self._stale |= _is_due(self._own.next_wake(), now)
        if self._own.wake(now):
            self._tell(now)
        if looked := _is_due(self.holders.next_wake(), now):
            self._drop(now)
            self._unsure = now < self._links_new_until
            self._stale = True
        return looked

    def next_wake(self) -> float | None:
        """When `wake` is wanted next beside what is held here and by others, or None."""
        return self._parting.next_wake()

    def flush(self) -> None:
        """Tell the host what has changed since it was told last: once, however much was heard meanwhile."""
        if self._stale:
            self._put(self._state.answers.now)

    def _bound(self) -> frozenset[IPAddress]:
        """Return the addresses whose connections only the node knows that they were begun at."""
        plan = self._state.plan
        return frozenset(filter(plan.held_on, plan.known)) if plan.forwarded else plan.known

    def _moves_whole(self, address: IPAddress) -> bool:
        """Tell whether all that begins from now on is bound to the node that answers."""
        return self._state.plan.held_on(address) and not self._state.plan.lead(address).takers

    def _drop(self, now: float) -> None:
        names = self.holders.nodes
        lost = [name for name in names if self._state.verdict(name) and self._is_lost(name)]
        gone = [name for name in names if self._is_gone(name)]
        self.holders.drop(lost, gone, now)
        known = {each.name: each for each in self._state.members if each.name in names}
        self._met = {name: each for name, each in self._met.items() if name in names} | known

    def _look_who_leaves(self, now: float) -> None:
        leaving = {each.name for each in self._state.members if each.verdict is Verdict.LEAVING}
        self._parting.look(leaving | ({self._state.me} if self._state.leaving else set()), now)

    def _guess(self, address: IPAddress, now: float) -> None:
        """Guess that who is next in rank has led what this process leads from its start on."""
        if address in self._seen:
            return
        self._seen.add(address)
        peers = census.peers(self._state.members, self._state.me)
        standby = next((each for each in self._state.plan.lead(address).standbys if each in peers), None)
        if standby is not None and not self.holders.of(address):
            self.holders.guess(address, standby, now)

    def _tell(self, now: float) -> None:
        peers = tuple(sorted(census.peers(self._state.members, self._state.me)))
        words = self._own.words(now)
        if peers:
            self._state.outbox.extend(Tell(peers, word) for word in words)

    # -- where packets go ------------------------------------------------------------------------

    def _put(self, answered: Collection[IPAddress]) -> None:
        """Tell the host where packets go, if that has changed."""
        self._stale = False
        if (onward := self._onward(answered)) or self.onward.onward:
            names = self._state.address_book.names if onward else {}
            before = frozenset(mac for mac, name in names.items() if name < self._state.me)
            wanted = PassOn(onward, frozenset(names), before, self._state.settings.keep_connections)
            if wanted != self.onward:
                self._say(wanted)
                self.onward = wanted
                self._state.outbox.put(wanted)
        count = self._own.to_count(self._bound(), answered)
        if count != self._counted:
            self._counted = count
            self._state.outbox.put(Count(count))

    def _onward(self, answered: Collection[IPAddress]) -> dict[IPAddress, Onward]:
        flows: dict[IPAddress, list[tuple[Flow, str]]] = {}
        for flow, node in self.holders.flows():
            flows.setdefault(flow.address, []).append((flow, node))
        found = {}
        hops = _Hops(self._hop)
        peers = frozenset(self._state.address_book.names.values())
        held = {*self.holders.addresses, *self._own.addresses} - self._state.spread_here
        for address in in_order(held):
            names = self._others(address)
            gone = {name for name in names if self._is_gone(name)}
            row = self._row(address, names, gone, peers, answers=address in answered)
            first = row.first if address in answered or address in self._own.addresses else ()
            upward, led = hops.first(row.upward, address), hops.first(row.led, address)
            onward = Onward(
                hops.first(first, address),
                upward,
                led,
                self._macs_behind(row.beginners),
                frozenset(hop.mac for hop in (upward, led) if hop and hop in hops.all(gone, address)),
                {
                    flow: hop
                    for flow, node in flows.get(address, ())
                    if (hop := hops.first((node,), address)) is not None
                },
                unreached=self._unsure and bool(first) and hops.first(first, address) is None,
            )
            if onward.first or onward.upward or onward.led or onward.flows or onward.unreached:
                found[address] = onward
        return found

    def _row(
        self,
        address: IPAddress,
        names: AbstractSet[str],
        gone: AbstractSet[str],
        peers: AbstractSet[str],
        *,
        answers: bool,
    ) -> Row:
        """Return in which order `names`, some of them `gone`, are asked from here; any of `peers` may ask."""
        me, leaving = self._state.me, self._state.leaving
        lead = self._state.plan.lead(address)
        parting = {name for name in gone if self._is_parting(name)}
        known = me in self._parting.known
        if lead.sharers:
            silent = {name for name in gone if self._has_only_host(name)}
            others = OtherSharers(names, peers, silent, gone - silent - parting, parting)
            return sharers(me, others, leaving=leaving, known=known)
        return stations(
            me,
            Others(names, lead.node, gone, parting, leader_holds=lead.node in self.holders.of(address)),
            answers=answers,
            leaving=leaving,
            known=known or (address in self._left and not answers),
        )

    def _macs_behind(self, beginners: Collection[str]) -> frozenset[bytes]:
        """Return the hardware addresses of those among `beginners` of a row that stand behind this node."""
        behind = {name for name in beginners if name > self._state.me}
        known = self._state.address_book.names if behind else {}
        return frozenset(mac for mac, name in known.items() if name in behind)

    def _others(self, address: IPAddress) -> set[str]:
        """Return who may know a connection that this node does not: who holds some, and who leads now."""
        lead = self._state.plan.lead(address)
        names = {*self.holders.of(address), *([lead.node] if lead.node and not lead.sharers else [])}
        return names - {self._state.me}

    def _is_gone(self, name: str) -> bool:
        """Tell whether the kernel of a node may serve as before, and nobody is left who would say so."""
        return self._state.verdict(name) in (None, Verdict.LEAVING) or self._has_only_host(name)

    def _is_parting(self, name: str) -> bool:
        """Tell whether a node leaves, and not all may know it yet."""
        return self._state.verdict(name) is Verdict.LEAVING and name not in self._parting.known

    def _is_lost(self, name: str) -> bool:
        """Tell whether nothing of a node can be reached: neither its process nor its kernel."""
        verdict = self._state.verdict(name)
        return verdict in (None, Verdict.DEAD, Verdict.UNREACHABLE) and not self._has_only_host(name)

    def _has_only_host(self, name: str) -> bool:
        """Tell whether a node's process is gone or hangs, and its kernel serves on, as far as is known."""
        verdict = self._state.verdict(name)
        heard = verdict is Verdict.DEAD and self._state.watch.hears_host(name)
        return heard or verdict is Verdict.PROCESS_GONE

    def _hop(self, name: str, version: int) -> NextHop | None:
        """Return how `name` is reached on a link of this node by IP of that version, or None.

        For IPv6 that is a link-local address made of its hardware address, whether it has it or not.
        """
        member = self.met(name)
        target = member and kernel_target(member, self._state.announcing_links)
        if not target:
            return None
        if version == 6:
            return NextHop(_link_local(target.mac), target.link, target.mac)
        return NextHop(target.address, target.link, target.mac) if target.address.version == 4 else None

    def _say(self, wanted: PassOn) -> None:
        new: dict[str, list[IPAddress]] = {}  # by whom they go to
        for address, onward in wanted.onward.items():
            before = self.onward.onward.get(address)
            begins = onward.first is not None and (before is None or before.first is None)
            if begins and address in self._state.answers.now:
                holders = self.holders.of(address)
                named = sorted(name for name, each in holders.items() if not each.guessed)
                if named or (holders and address not in self._state.plan.shared):
                    new.setdefault(", ".join(named or sorted(holders)), []).append(address)
        text = "passing connections on that others hold"
        for names, addresses in new.items():
            if len(addresses) == 1:
                self._state.outbox.happened(Happening.PASSING_ON, text, addresses[0], to=names)
            else:
                facts = {"addresses": len(addresses), "to": names}
                self._state.outbox.say(Event(Happening.PASSING_ON, text, facts=facts))


class _Hops:
    """How nodes are reached, looked for once each; `find(name, version)` does."""

    def __init__(self, find: Callable[[str, int], NextHop | None]) -> None:
        self._find = find
        self._known: dict[tuple[str, int], NextHop | None] = {}

    def first(self, names: Iterable[str], address: IPAddress) -> NextHop | None:
        """Return the way to the first of `names` that is reached by IP of the version of `address`."""
        return next(self.all(names, address), None)

    def all(self, names: Iterable[str], address: IPAddress) -> Iterator[NextHop]:
        """Yield the way to each of `names` that is reached by IP of the version of `address`."""
        for name in names:
            key = (name, address.version)
            if key not in self._known:
                self._known[key] = self._find(*key)
            if (hop := self._known[key]) is not None:
                yield hop


def _is_due(when: float | None, now: float) -> bool:
    return when is not None and when <= now


def _link_local(mac: bytes) -> IPv6Address:
    """Return the link-local address of RFC 4291, appendix A."""
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:])
