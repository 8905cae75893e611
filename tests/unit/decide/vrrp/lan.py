"""Deciders of nodes n1, n2, ... on virtual time, whose adverts reach each other as long as nobody is deaf."""

from random import Random
from typing import Any, TypeVar

from tests.unit.decide.builders import link, mac, member, service

from roost.decide.decider import Decider
from roost.decide.effects import Announce, Answer, Happened, SendAdvert
from roost.decide.settings import DeciderSettings
from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.model.event import Event
from roost.model.link import Link
from roost.model.service import DesiredState, Service
from roost.model.virtual_router import VirtualRouter
from roost.protocols.machine import Effect

__all__ = ["Node", "VrrpLan", "routed"]

E = TypeVar("E", bound=Effect)


def routed(addresses: str = "192.0.2.100", name: str = "web", **router: Any) -> Service:
    """A service of virtual router 51, with adverts every 0.1 s."""
    return service(addresses, name, vrrp=VirtualRouter(**{"vrid": 51, "interval": 10} | router))


def of(number: int) -> Link:
    return link(number, address=f"192.0.2.{10 + number}/24 2001:db8::{10 + number}/64 fe80::{10 + number}/64")


class Node:
    """One decider that gossips with nobody."""

    def __init__(self, number: int, now: float, *services: Service) -> None:
        self.number = number
        self.name = f"n{number}"
        self.decider = Decider(DeciderSettings(node=self.name), Random(number))
        self.effects: list[Effect] = []
        self.answered: frozenset[IPAddress] = frozenset()
        self.frozen = False
        self.decider.set_members((member(number),), now)
        self.decider.set_links((of(number),), now)
        self.decider.want(DesiredState(services), frozenset(), "", now)
        self.decider.start(now)

    def of(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def events(self) -> list[Event]:
        return [effect.event for effect in self.of(Happened)]

    def announced(self) -> set[IPAddress]:
        return {address for effect in self.of(Announce) for address in effect.addresses}


class VrrpLan:
    """`cut` are pairs (from, to) of node numbers between which adverts are lost."""

    def __init__(self) -> None:
        self.now = 100.0
        self.nodes: list[Node] = []
        self.cut: set[tuple[int, int]] = set()

    def add(self, *services: Service) -> Node:
        node = Node(len(self.nodes) + 1, self.now, *services)
        self.nodes.append(node)
        self._collect(node)
        return node

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            awake = [each for each in self.nodes if not each.frozen]
            dues = [(due, node.number) for node in awake if (due := node.decider.next_wake()) is not None]
            if not dues or min(dues)[0] > end:
                break
            due, number = min(dues)
            node = self.nodes[number - 1]
            self.now = max(self.now, due)
            node.decider.wake(self.now)
            after = node.decider.next_wake()
            assert after is None or after > self.now, "it wants to be woken for nothing"
            self._collect(node)
        self.now = end

    def tell(self, node: Node, hear: Any, *facts: object) -> None:
        hear(*facts, self.now)
        self._collect(node)

    def deliver(self, node: Node, received: Received) -> None:
        self.tell(node, node.decider.advert, received)

    def answering(self, address: str = "192.0.2.100") -> list[str]:
        return [node.name for node in self.nodes if address in {str(each) for each in node.answered}]

    def _collect(self, node: Node) -> None:
        while effects := node.decider.effects():
            for effect in effects:
                node.effects.append(effect)
                if isinstance(effect, Answer):
                    node.answered = frozenset(effect.announcements)
                if isinstance(effect, SendAdvert):
                    self._carry(node, effect)

    def _carry(self, sender: Node, sent: SendAdvert) -> None:
        received = Received(2, sent.source, sent.destination, 255, sent.data, sent.mac or mac(sender.number))
        for node in self.nodes:
            if node is not sender and not node.frozen and (sender.number, node.number) not in self.cut:
                self.deliver(node, received)
