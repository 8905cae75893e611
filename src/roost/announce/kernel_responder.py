"""Answering on one link in the kernel, at tc's hooks (`bpf/answer.c`); this process announces, hears claims.

questions -> the program at the link's ingress -> answers, counts, who asked -> read now and then
claims, questions of peers -> a packet socket -> this process, as with `PacketResponder`

Peers ask to find out whether this process runs: a kernel that answered them would hide for a while that it
hangs. A packet socket hears frames before the hook does: its filter passes only what is left to this process.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Final, TypeVar

from roost.announce.kernel_answers import LONGEST, Counts, Hooked, How, KernelAnswers, key_of
from roost.announce.packet_responder import PacketResponder
from roost.announce.responder import Heard, Kind, Tally
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.model.spreading import Spread, Station
from roost.protocols import filter as filters
from roost.protocols.filter import Instruction
from roost.runtime.bpf import Hook, Program, TcxLinks
from roost.runtime.clsact import ClsactFilters
from roost.runtime.packet_socket import Tap

__all__ = ["KernelResponder"]

T = TypeVar("T")

_log = logging.getLogger("roost.announce")

_LOOK_RARELY: Final = 5.0  # seconds, where the kernel may let one wait for it
_LOOK: Final = 1.0  # seconds between two looks at whether the programs are there still
_PATIENCE: Final = 60.0  # seconds between two times of taking the first place again
_ASKERS: Final = 0.4  # seconds between two looks at who has asked: nothing depends on it at once
_NOBODY: Final = IPv4Address(0)
_PLACES: Final[Mapping[str, Callable[[Mapping[Hook, Program], int], Hooked]]] = MappingProxyType(
    {"tcx": TcxLinks, "clsact": ClsactFilters}
)


class KernelResponder(PacketResponder):
    """Answers on `link` by the programs of `answers`, at the first of the hooks `kinds` that takes them.

    Until they are there, and for whatever becomes impossible while they work, this process answers: nothing
    stays unanswered. `worker` attaches and takes away; with tcx the kernel takes tens of milliseconds for it.
    Raises as `PacketResponder` does.
    """

    def __init__(
        self,
        link: Link,
        heard: Heard,
        counters: Counter[str],
        *,
        kinds: Sequence[Kind],
        answers: KernelAnswers,
        worker: Executor,
        tap: Tap | None = None,
    ) -> None:
        self._hooked: Hooked | None = None
        self._closed = False
        self._keys: dict[IPAddress, bytes] = {}
        self._spreads: Mapping[IPAddress, Spread] = {}
        self._places: Mapping[tuple[int, int], Station] = {}
        self._spreader: Hooked | None = None  # the filter that spreads connections, if any are
        self._why_no_spreader = ""
        self._hooking = False  # whether that filter is under way
        self._spreader_looked = 0.0
        self._kinds = kinds
        self._answers = answers
        self._worker = worker
        super().__init__(link, heard, counters, tap=tap)
        self._looked = self._read = self._clock()
        self._overtaken = float("-inf")
        self._attach()

    def follow(self, link: Link) -> None:
        """Take news of the link; its own address is what the kernel may ask with."""
        super().follow(link)
        self._put(self._keys)

    def meet(self, peers: frozenset[bytes]) -> None:
        """Answer in this process what these hardware addresses ask: peers take it for a sign of life."""
        super().meet(peers)
        if self._hooked is None:
            return
        try:
            self._answers.leave(peers)
        except OSError as error:
            self._go_on_alone(error)

    def notice(self, addresses: frozenset[IPAddress]) -> None:
        """Hear questions and claims about all these addresses, answered here or not."""
        super().notice(addresses)
        gone = [self._keys[address] for address in self._keys.keys() - addresses]
        self._settle(gone)
        new = addresses - self._keys.keys()
        self._keys = {each: self._keys.get(each) or key_of(self.link.index, each) for each in addresses}
        self._put(new)

    def answer(self, announcements: Mapping[IPAddress, Announcement]) -> None:
        """Answer for exactly those that are allowed on this link."""
        before, shared = self._answered, self._shares
        super().answer(announcements)
        now = self._answered
        changed = [each for each in before.keys() | now.keys() if before.get(each) != now.get(each)]
        changed += [
            each for each in shared.keys() | self._shares.keys() if shared.get(each) != self._shares.get(each)
        ]
        self._put(changed)

    @property
    def why_not_spread(self) -> str:
        """Why this host cannot spread connections over nodes, or ""."""
        if self._hooked is None:
            return self.why or "the kernel's programs are not there yet"
        return self._answers.why_not_spread or self._why_no_spreader

    def spread_out(
        self, spreads: Mapping[IPAddress, Spread], places: Mapping[tuple[int, int], Station]
    ) -> None:
        """Spread connections of exactly these over the nodes, while questions may be answered."""
        before, self._spreads, self._places = self._spreads, spreads, places
        self._hook_spreader()
        self._place()
        self._put([each for each in before.keys() | spreads.keys() if before.get(each) != spreads.get(each)])

    def _hook_spreader(self) -> None:
        """Have the program that spreads connections at the hook, while there are any to spread.

        Other than with tcx it stays when this process is killed, until the lease ends: else this host would
        refuse connections of others before another node has taken over.
        """
        program = self._answers.spreading
        if not self._spreads or self._hooked is None:
            self._unhook_spreader()
        elif self._spreader is None and not self._hooking and program is not None:
            self._hooking = True
            place = partial(ClsactFilters, {Hook.INGRESS: program}, self.link.index, rank=1)
            self._by_worker(place, partial(self._spreader_came, program))

    def _spreader_came(self, program: Program, work: "Future[ClsactFilters]") -> None:
        self._hooking = False
        try:
            spreader = work.result()
        except OSError as error:
            self._why_no_spreader = f"no filter can be set on {self.link.name}: {error.strerror or error}"
            _log.warning("connections are not spread: %s", self._why_no_spreader)
            return
        self._spreader, self._why_no_spreader = spreader, ""
        self._answers.keep_spreading(spreader)
        if self._closed or not self._spreads or self._hooked is None:
            self._unhook_spreader()
        elif program is not (now := self._answers.spreading) and now is not None:  # with larger maps
            with suppress(OSError):
                spreader.replace({Hook.INGRESS: now})

    def _look_after_spreader(self) -> None:
        """Put the filter back when somebody has taken it away."""
        if (spreader := self._spreader) is None or self._clock() - self._spreader_looked < _LOOK_RARELY:
            return
        self._spreader_looked = self._clock()

        def seen(work: "Future[bool]") -> None:
            if work.exception() is None and not work.result() and self._spreader is spreader:
                text = "somebody has taken away what spreads connections on %s: putting it back"
                _log.warning(text, self.link.name)
                self._unhook_spreader()
                self._hook_spreader()

        self._by_worker(lambda: spreader.attached, seen)

    def _by_worker(self, do: Callable[[], T], then: "Callable[[Future[T]], None]") -> None:
        """Let the kernel work where the event loop does not wait for it; `then` gets what came of it."""
        loop = asyncio.get_running_loop()
        work = self._worker.submit(do)

        def done(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(then, work)

        work.add_done_callback(done)

    def _unhook_spreader(self) -> None:
        spreader, self._spreader = self._spreader, None
        if spreader is not None:
            self._answers.let_go(spreader)
            self._take_away(spreader)

    def _place(self) -> None:
        if self._hooked is None:
            return
        try:
            self._answers.place(self._places)
        except OSError as error:
            self._go_on_alone(error)

    def renew(self, until: float) -> None:
        """Answer until then; and tell now and then who has asked."""
        super().renew(until)
        if self._hooked is None:
            return
        try:
            if self._answers.renew(until):
                self._look_who_asked()
            self._look_after()
            self._look_after_spreader()
        except OSError as error:
            self._go_on_alone(error)

    def counts(self) -> Mapping[IPAddress, Tally]:
        """Return what was counted for each address that is noticed."""
        found = {address: Tally() for address in self._tallies}
        for address, tally in self._tallies.items():
            found[address].add(tally)
        for address, counts in self._counted():
            found[address].add(Tally(counts.answered, counts.answered, 0, counts.packets, counts.spread))
        return found

    def events(self) -> Mapping[str, int]:
        """Return what the kernel has done with questions."""
        return _events(counts for _, counts in self._counted())

    def close(self) -> None:
        """Fall silent and leave the groups."""
        self._closed = True
        self._detach()
        super().close()

    def _filter(self, addresses: frozenset[IPAddress]) -> list[Instruction]:
        if self._hooked is None:
            return super()._filter(addresses)
        return filters.build_claims(addresses, LONGEST, self._peers)

    def _attach(self) -> None:
        programs = self._answers.programs
        place = partial(_attached, self._kinds, programs, self.link.index)
        self._by_worker(place, partial(self._begin, programs))

    def _begin(self, programs: Mapping[Hook, Program], work: "Future[tuple[Kind, Hooked]]") -> None:
        """Let the kernel answer, now that the programs are there."""
        try:
            kind, hooked = work.result()
        except OSError as error:
            self.why = f"the kernel does not answer on {self.link.name}: {error.strerror or error}"
            _log.info("%s; this process does", self.why)
            return
        if self._closed:
            self._take_away(hooked)
            return
        self._hooked, self.kind, self.why = hooked, kind, ""
        self._answers.keep(hooked)
        try:
            self._answers.renew(self._until)
            if programs is not self._answers.programs:  # these have larger maps
                hooked.replace(self._answers.programs)
            self._answers.leave(self._peers)
        except OSError as error:
            self._go_on_alone(error)
        self._hook_spreader()
        self._place()
        self._put(self._keys)
        self._listen()  # last: meanwhile both answer

    def _put(self, addresses: Iterable[IPAddress]) -> None:
        """Tell the programs what to do about these."""
        if self._hooked is None:
            return
        own = next((each.ip for each in self.link.addresses if isinstance(each.ip, IPv4Address)), _NOBODY)
        shares = self._shares
        wanted = {
            self._keys[each]: How(
                self.link.mac,
                self._answered.get(each),
                self._router,
                own,
                shares[each].slots if each in shares else None,
                self._spreads.get(each),
            )
            for each in addresses
            if each in self._keys
        }
        try:
            self._answers.put(wanted)
        except OSError as error:
            self._go_on_alone(error)

    def _counted(self) -> Iterable[tuple[IPAddress, Counts]]:
        if self._hooked is None:
            return
        addresses = {key: address for address, key in self._keys.items()}
        with suppress(OSError):
            for key, counts in self._answers.counts(addresses.keys()):
                yield addresses[key], counts

    def _settle(self, keys: Collection[bytes]) -> None:
        """Forget about these, and keep what was counted."""
        if self._hooked is None:
            return
        with suppress(OSError):
            self._counters.update(_events(counts for _, counts in self._answers.counts(keys)))
            self._answers.forget(keys)

    def _look_who_asked(self) -> None:
        """Tell of it; of several links only the first to look finds anybody."""
        if (now := self._clock()) - self._read < _ASKERS:
            return
        self._read = now
        for sighting, at in self._answers.askers():
            if sighting.vip in self._keys:
                self._heard.asked(sighting, at)

    def _look_after(self) -> None:
        """Put the programs back when somebody has taken them away; raises OSError."""
        if self._hooked is None or self._clock() - self._looked < _LOOK:
            return
        self._looked = now = self._clock()
        if not self._hooked.attached:
            what = "somebody has taken away what answers on %s in the kernel (%s): putting it back"
        elif now - self._overtaken >= _PATIENCE and not _is_first(self._hooked):
            self._overtaken = now  # whoever wants the same is not fought with
            what = "a program has come before what answers on %s (%s): taking the first place again"
        else:
            return
        _log.warning(what, self.link.name, self.kind)
        self._answer_alone()
        self._attach()

    def _go_on_alone(self, error: OSError) -> None:
        """Answer from this process from now on."""
        self.why = f"the kernel answers no more: {error.strerror or error}"
        _log.warning("%s on %s; this process goes on", self.why, self.link.name)
        self._answer_alone()

    def _answer_alone(self) -> None:
        for address, tally in self.counts().items():
            self._tallies[address] = tally
        self._detach()
        self._listen()

    def _detach(self) -> None:
        self._unhook_spreader()
        if self._hooked is None:
            return
        self._settle(tuple(self._keys.values()))  # from here on the kernel is silent
        self._answers.let_go(self._hooked)
        self._take_away(self._hooked)
        self._hooked, self.kind = None, "packet"

    def _take_away(self, hooked: Hooked) -> None:
        try:
            self._worker.submit(hooked.close)
        except RuntimeError:  # everything ends: it has no worker any more
            hooked.close()


def _attached(kinds: Sequence[Kind], programs: Mapping[Hook, Program], link: int) -> tuple[Kind, Hooked]:
    """Put programs at the first of the hooks that takes them; raises what the last one does."""
    *better, last = kinds
    for kind in better:
        with suppress(OSError):
            return kind, _PLACES[kind](programs, link)
    return last, _PLACES[last](programs, link)


def _is_first(hooked: Hooked) -> bool:
    """Tell whether no program has come before these; a kernel that does not say is no reason to act."""
    try:
        return hooked.first
    except OSError:
        return True


def _events(counts: Iterable[Counts]) -> Counter[str]:
    """Return counts under the names that `PacketResponder` has for them."""
    total: Counter[str] = Counter()
    for each in counts:
        total["requests_answered"] += each.answered
        total["requests_left_to_the_leader"] += each.left
        total["requests_after_the_lease"] += each.late
    return +total
