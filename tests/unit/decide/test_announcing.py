"""How much ARP announcing costs, in all and where a switch counts it."""

from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import mac

from roost.decide.announcing import Announcing
from roost.decide.effects import Announce, Correct
from roost.protocols.witness.budget import Budget
from roost.protocols.words.sightings import Sighting

VIPS = [ip_address(f"192.0.2.{last}") for last in range(200, 204)]
CLIENTS = [Sighting(vip, ip_address(f"192.0.2.{last}"), mac(last)) for vip in VIPS for last in (101, 102)]


def frames(announcing: Announcing, begin: float, end: float) -> list[float]:
    """When each frame goes out on one link."""
    now, found = begin, []
    while now < end:
        for effect in announcing.wake(now, 1):
            if isinstance(effect, Announce):
                found += [now] * (1 if effect.sparing else 2) * len(effect.addresses)
            elif isinstance(effect, Correct):
                found += [now] * 2 * len(effect.sightings)
        due = announcing.next_wake()
        if due is None:
            break
        now = max(now, due)
    return found


def test_everybody_is_told_several_times_within_half_a_second() -> None:
    announcing = Announcing(5000.0, None)
    announcing.take(VIPS, CLIENTS, 10.0)
    assert sum(when < 10.5 for when in frames(announcing, 10.0, 12.0)) == 4 * 3 * 2 + 8 * 3 * 2


def test_where_arp_is_counted_few_frames_go_out_in_any_second() -> None:
    announcing = Announcing(5000.0, None, Budget(10.0))
    announcing.take(VIPS, CLIENTS, 10.0)
    sent = frames(announcing, 10.0, 60.0)
    assert sum(when == 10.0 for when in sent) == 6, "four addresses at once, and one client"
    for when in sent:
        assert sum(when <= each < when + 1.0 for each in sent) <= 8


def test_questions_wait_for_what_is_announced_where_arp_is_counted() -> None:
    budget = Budget(10.0)
    assert not budget.take(5.0, urgent=True)
    assert budget.take(10.0, urgent=True)
    announcing = Announcing(5000.0, None, budget)
    announcing.take(VIPS, (), 10.0)
    announcing.wake(10.0, 1)
    assert budget.wait(10.0, urgent=True) == pytest.approx(0.4)
