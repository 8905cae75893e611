"""Whatever comes in, in whatever order: the decider never fails, and some things always hold."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.decide.builders import endpoint, link, mac
from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Announce, Ask, Isolate
from roost.decide.join_target import parse_target
from roost.model.address import IPAddress
from roost.model.check import Check, Process, Result
from roost.model.fitness import Fitness
from roost.model.node import Verdict
from roost.model.role import Role
from roost.protocols.words.draining import Ask as AskToDrain
from roost.protocols.words.draining import Progress
from roost.protocols.words.fit import Fit, FitRow
from roost.protocols.words.macs import Macs
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.protocols.words.statement import Kind, Statement
from roost.protocols.words.unable import Unable
from roost.protocols.words.verdict import Ground

ADDRESSES = (address_of(1, 2, 3), address_of(2, 1, 3), address_of(3, 2, 1), address_of(2, 3, 1))
CHECK, OTHER = Check(Process(name="haproxy")), Check(Process(name="postgres"), weight=-5, fall=2)
WANTED = {
    "shared": web(ADDRESSES[0], ADDRESSES[1], name="a"),
    "overlap": web(ADDRESSES[1], name="b", endpoint_nodes=frozenset({"n1", "n3"})),
    "local": web(ADDRESSES[2], name="c", deliver="local", track=(CHECK, OTHER)),
    "checked otherwise": web(ADDRESSES[2], name="c", deliver="local", track=(OTHER,)),
    "proxied": web(ADDRESSES[3], name="d", health_port=32000),
}
BEGUN = ("shared", "overlap", "local", "proxied")
LINKS = {
    "one": (link(),),
    "unplugged": (link(carrier=False),),
    "none": (),
    "other mac": (link(mac=mac(77)),),
    "two": (link(), link(1, index=3, name="eth1", address="198.51.100.1/24")),
    "elsewhere": (link(address="198.51.100.1/24"),),
}
TOLD: tuple[dict[str, Any], ...] = (
    {},
    {"digest": "same"},
    {"draining": True, "digest": "same"},
    {"waits": 2},
    {"unfit": True},
    {"outdated": True, "blind": True},
    {"version": "", "macs": ()},
)
NAMES = ("n1", "n2", "n3", "nobody", "")
numbers = st.integers(1, 3)
addresses = st.sampled_from(ADDRESSES)
some = st.frozensets(addresses)
names = st.sampled_from(NAMES)
wishes = st.frozensets(st.sampled_from(sorted(WANTED)))
sightings = st.builds(Sighting, addresses, st.just(ADDRESSES[0] + 50), st.sampled_from([mac(90), mac(91)]))
fit_rows = st.builds(
    FitRow,
    st.sampled_from("abcd"),
    st.builds(Fitness, st.booleans(), st.sampled_from([0, -5])),
    st.integers(0, 200_000),
)
words = st.one_of(
    st.builds(Ground, names, st.sampled_from(Verdict), st.just("")),
    st.builds(Statement, st.sampled_from(Kind), names, names),
    st.builds(AskToDrain, names, names, st.sampled_from([True, False, None])),
    st.builds(Progress, names, st.booleans(), st.just(0), st.just(0), st.just(1.0)),
    st.builds(Sightings, st.sampled_from(News), st.lists(sightings, max_size=3).map(tuple)),
    st.builds(Unable, names, some.map(tuple)),
    st.builds(lambda name, row: Fit(name, (row,)), names, fit_rows),
    st.builds(lambda name, number: Macs(((name, (mac(number),)),)), names, st.integers(1, 5)),
)


class AnyOrder(RuleBasedStateMachine):
    """One decider, told anything."""

    one: One

    @initialize(gossips=st.booleans(), watched=st.booleans(), joins=st.booleans(), started=st.booleans())
    def begin(self, gossips: bool, watched: bool, joins: bool, started: bool) -> None:
        settings: dict[str, Any] = {}
        if not watched:
            settings["timing"] = None
        if not gossips:
            settings["bind"] = None
        if joins:
            settings["join"] = (parse_target("192.0.2.12"), parse_target("peer.example"))
        peers = (2, 3) if gossips and started else ()
        self.one = One(*(WANTED[name] for name in BEGUN), peers=peers, settled=started, **settings)
        self.gossips = gossips
        self.woken = self.one.now

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.06, 0.3, 1.0, 5.0]))
    def run(self, seconds: float) -> None:
        self.one.run(seconds)
        self.woken = self.one.now

    @rule(seconds=st.sampled_from([0.2, 0.5, 3.0, 100.0]))
    def sleep(self, seconds: float) -> None:
        """After a gap in which its lease has ended it answers nothing that it has not asked for."""
        over = not self.one.decider.may_answer(self.one.now + seconds)
        self.one.sleep(seconds)
        if over and self.gossips and not self.one.decider.state.settling.settled:
            assert self.one.answered == frozenset()

    @rule(
        wanted=st.frozensets(st.sampled_from(sorted(WANTED))), refused=st.frozensets(st.sampled_from("abc"))
    )
    def want(self, wanted: frozenset[str], refused: frozenset[str]) -> None:
        chosen = {WANTED[name].name: WANTED[name] for name in sorted(wanted)}
        self.one.want(*chosen.values(), refused=refused)

    @rule(links=st.sampled_from(sorted(LINKS)))
    def plug(self, links: str) -> None:
        self.one.plug(*LINKS[links])

    @rule(number=st.integers(1, 5), verdict=st.sampled_from(Verdict), told=st.sampled_from(TOLD))
    def have(self, number: int, verdict: Verdict, told: dict[str, Any]) -> None:
        if number == 1:
            verdict = Verdict.ALIVE
        elif not self.gossips:
            return
        self.one.have(number, verdict, **told)

    @rule(number=st.integers(2, 5))
    def forget(self, number: int) -> None:
        if number in self.one.members:
            self.one.forget(number)

    @rule(silent=st.frozensets(st.integers(2, 5)), answering=st.frozensets(st.integers(2, 5)))
    def fall_silent(self, silent: frozenset[int], answering: frozenset[int]) -> None:
        self.one.silent, self.one.answering = set(silent), set(answering)

    @rule(
        address=st.sampled_from([*ADDRESSES, ADDRESSES[0] + 50]), number=st.sampled_from([1, 2, 3, 4, 77, 99])
    )
    def claim(self, address: IPAddress, number: int) -> None:
        self.one.claim(address, number)

    @rule(word=words)
    def hear(self, word: Any) -> None:
        self.one.hear(word)

    @rule(sighting=sightings)
    def ask(self, sighting: Sighting) -> None:
        if sighting.vip in self.one.decider.state.plan.known:  # responders hear of nothing else
            self.one.tell(self.one.decider.asked, sighting, self.one.now)

    @rule(ready=some, refused=some)
    def deliver(self, ready: frozenset[IPAddress], refused: frozenset[IPAddress]) -> None:
        self.one.tell(self.one.decider.delivered, ready - refused, dict.fromkeys(refused, "it is taken"))

    @rule(seen=st.lists(sightings, max_size=3), packets=st.integers(0, 3))
    def straggle(self, seen: list[Sighting], packets: int) -> None:
        self.one.tell(self.one.decider.stragglers, packets, seen)

    @rule(name=names, wish=st.sampled_from([True, False, None]))
    def wish(self, name: str, wish: bool | None) -> None:
        self.one.tell(self.one.decider.wish, name, wish)

    @rule(check=st.sampled_from([CHECK, OTHER]), ok=st.booleans())
    def check(self, check: Check, ok: bool) -> None:
        self.one.tell(self.one.decider.checked, check, Result(ok, "by chance"))

    @rule(service=st.sampled_from("abcd"))
    def forward(self, service: str) -> None:
        self.one.tell(self.one.decider.proxied, service)

    @rule(which=st.sampled_from(["synchronized", "leave"]))
    def happen(self, which: str) -> None:
        hear: Callable[..., None] = getattr(self.one.decider, which)
        self.one.tell(hear)

    @rule(which=st.sampled_from(["accused", "process_gone"]), name=names)
    def accuse(self, which: str, name: str) -> None:
        hear: Callable[..., None] = getattr(self.one.decider, which)
        self.one.tell(hear, name)

    @rule(troubled=st.booleans())
    def trouble(self, troubled: bool) -> None:
        self.one.tell(self.one.decider.source_trouble, troubled)

    @rule(number=numbers)
    def resolve(self, number: int) -> None:
        self.one.tell(self.one.decider.resolved, "peer.example", 7946, [endpoint(number)])

    @rule(unsent=some)
    def fill_the_queue(self, unsent: frozenset[IPAddress]) -> None:
        self.one.tell(self.one.decider.unsent, unsent & self.one.answered)

    @invariant()
    def only_what_is_wanted_is_answered_and_told_as_it_is(self) -> None:
        state = self.one.decider.state
        assert self.one.answered == self.one.decider.announcements.keys()
        assert self.one.answered == state.answers.now.keys()
        assert self.one.answered <= state.plan.known
        assert self.one.answered <= state.answers.wanted()
        for address in self.one.answered:
            assert state.answers.stance(address).announcement is not None
        for address in state.plan.known - self.one.answered:
            assert state.answers.stance(address).announcement is None, self.one.decider.why(address)

    @invariant()
    def roles_say_what_is_answered(self) -> None:
        state = self.one.decider.state
        leads = {*state.plan.leading, *state.succession.stood_in}
        for name, ranking in state.election.rankings.items():
            role, addresses = self.one.roles.get(name), set(ranking.service.addresses)
            does = bool(addresses & leads & self.one.answered)
            if state.leaving:
                assert role in (None, Role.STOPPED) or addresses & self.one.answered
            elif state.settling.settled and does:
                assert role is Role.LEADING
            elif state.settling.settled and role is Role.LEADING:
                assert addresses & leads, "about to answer again"
        for name in self.one.roles.keys() - state.election.rankings.keys():
            assert self.one.roles[name] is Role.STOPPED

    @invariant()
    def nothing_is_answered_without_a_lease(self) -> None:
        assert self.one.until <= self.one.now + 0.28 + 1e-9
        assert self.one.until == self.one.decider.state.lease.until

    @invariant()
    def only_what_is_answered_is_announced(self) -> None:
        """As of the last call: what has been announced before may be answered no more."""
        for effect in self.one.effects:
            if isinstance(effect, Announce):
                assert set(effect.addresses) <= set(ADDRESSES)
            if isinstance(effect, Ask):
                assert effect.addresses
        self.one.effects.clear()

    @invariant()
    def gossip_knows_whether_this_node_is_cut_off(self) -> None:
        assert self.one.isolated is self.one.decider.state.isolation.isolated, Isolate

    @invariant()
    def no_table_holds_what_is_not_wanted(self) -> None:
        decider = self.one.decider
        state, known = decider.state, decider.state.plan.known
        assert state.handover.held <= known
        assert set(state.succession.stood_in) <= known
        assert state.yielding.addresses <= state.answers.wanted()
        assert state.asking.open <= state.plan.leading.keys()
        assert decider._parts.leading.leaders.keys() <= known
        assert decider._parts.leading.suspected.keys() <= state.asking.open
        assert state.handover.held.isdisjoint(state.plan.leading)
        assert {each.vip for each in state.clients.table.of(ADDRESSES)} <= known
        assert state.clients.followed.addresses <= state.plan.passed_on

    @invariant()
    def it_is_never_woken_too_late(self) -> None:
        """What it remembers of its parts' wishes is no later than the soonest of them."""
        remembered = self.one.decider.next_wake()
        self.one.decider._agenda.touch_plans()
        fresh = self.one.decider.next_wake()
        assert remembered is not None
        assert fresh is not None
        assert remembered <= fresh

    @invariant()
    def why_is_always_told(self) -> None:
        for address in ADDRESSES:
            assert self.one.decider.why(address)
        self.one.decider.metadata(self.one.now)

    def teardown(self) -> None:
        """When nothing happens any more, all doubts end."""
        if not hasattr(self, "one"):
            return
        self.one.answering.clear()
        self.one.run(10.0)
        state = self.one.decider.state
        assert not state.asking.open
        assert not state.handover.held
        assert not state.yielding.addresses
        assert not state.readiness.awaited
        for address in state.plan.leading.keys() - self.one.answered:
            cut_off = state.answers.only is not None
            assert cut_off or address in state.plan.local, self.one.decider.why(address)


AnyOrder.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder = AnyOrder.TestCase
