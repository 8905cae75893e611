"""Who is suspected by gossip and heard on the LAN is vouched for."""

from ipaddress import ip_address

from tests.unit.decide.builders import member
from tests.unit.decide.witnessing.lan import Lan

from roost.decide.effects import Vouch
from roost.decide.vouching import Vouching
from roost.model.node import Verdict

VIP = ip_address("192.0.2.200")


class Suspicious:
    """A LAN on which n2 is suspected by gossip from now on."""

    def __init__(self, *, leads: bool = False) -> None:
        self.lan = Lan()
        if leads:
            self.lan.led = {"n2": VIP}
            self.lan.update()
        self.lan.run(1.0)
        self.vouching = Vouching(self.lan.watch)
        self.vouching.follow([member(2, Verdict.SUSPECT, since=self.lan.now)], self.lan.now)

    def run(self, seconds: float) -> list[Vouch]:
        found: list[Vouch] = []
        for _ in range(round(seconds / 0.05)):
            self.lan.run(0.05)
            found += self.vouching.wake(self.lan.now)
        return found


def test_a_process_that_answers_is_vouched_for_as_long_as_it_does() -> None:
    suspicious = Suspicious(leads=True)
    found = suspicious.run(20.0)
    assert {each.name for each in found} == {"n2"}
    assert {each.why for each in found} == {
        "it answers on the LAN for its own address and for one that it leads"
    }
    assert len(found) * found[0].seconds > 40.0, "each look is worth more than the time to the next"
    suspicious.lan.silent_processes.add("n2")
    suspicious.run(1.0)
    assert suspicious.run(3.0) == []


def test_a_host_alone_is_worth_some_seconds() -> None:
    found = Suspicious().run(20.0)
    assert {each.why for each in found} == {"its host answers on the LAN"}
    assert 45 <= len(found) <= 70, "one each 0.15 s for 10 s"


def test_nobody_vouches_for_who_is_silent() -> None:
    suspicious = Suspicious()
    suspicious.lan.silent_hosts.add("n2")
    suspicious.run(0.5)
    assert suspicious.run(3.0) == []


def test_nobody_is_looked_at_without_suspicion() -> None:
    suspicious = Suspicious()
    assert suspicious.vouching.next_wake() is not None
    suspicious.vouching.follow([member(2)], suspicious.lan.now)
    assert suspicious.vouching.next_wake() is None
    assert suspicious.run(1.0) == []


def test_another_change_of_the_members_does_not_put_off_the_next_look() -> None:
    suspicious = Suspicious()
    suspicious.vouching.wake(suspicious.lan.now)
    due = suspicious.vouching.next_wake()
    suspicious.vouching.follow([member(2, Verdict.SUSPECT, since=suspicious.lan.now)], suspicious.lan.now)
    assert suspicious.vouching.next_wake() is not None
    assert due is not None
    assert suspicious.vouching.next_wake() <= due  # type: ignore[operator]
