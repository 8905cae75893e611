"""Who holds connections, by their own words and by hearsay."""

from ipaddress import ip_address

from roost.decide.connections.holders import Holders
from roost.model.address import IPAddress
from roost.protocols.words.held import Held, HeldRow

VIP: IPAddress = ip_address("198.18.0.100")
KNOWN = (VIP,)
KEEP = 600.0


def held(connections: int = 1, seconds: int = 600, *, hearsay: bool = False) -> Held:
    return Held("n4", (HeldRow(VIP, connections, seconds),), hearsay)


def wake(holders: Holders, *, begin: float, end: float, gone: tuple[str, ...] = ()) -> None:
    for tenth in range(round(begin * 10), round(end * 10)):
        holders.drop((), gone, tenth / 10)


def test_who_comes_takes_over_what_the_others_know() -> None:
    told, came = Holders("n1"), Holders("n3")
    told.hear(held(), KNOWN, 0.0, KEEP)
    for word in told.words(0.5):
        assert came.hear(word, KNOWN, 0.5, KEEP)
    assert set(came.of(VIP)) == {"n4"}


def test_hearsay_ends_when_a_peer_that_is_there_says_nothing_itself() -> None:
    holders = Holders("n3")
    holders.hear(held(hearsay=True), KNOWN, 0.0, KEEP)
    wake(holders, begin=0.0, end=6.0)
    assert holders.of(VIP), "its own words may be late on a busy host"
    wake(holders, begin=6.0, end=8.5)
    assert not holders.of(VIP)


def test_hearsay_is_no_news_to_those_that_heard_it_from_the_holder() -> None:
    holders = Holders("n3")
    holders.hear(held(), KNOWN, 0.0, KEEP)
    assert not holders.hear(held(hearsay=True), KNOWN, 6.0, KEEP)
    wake(holders, begin=6.0, end=8.5)
    assert not holders.of(VIP), "it has said nothing for so long"


def test_what_ended_is_not_told_round_for_good() -> None:
    """Two that missed the holder's last word told each other at each exchange (campaign, seed 36000386)."""
    one, other = Holders("n1"), Holders("n3")
    for each in (one, other):
        each.hear(held(), KNOWN, 0.0, KEEP)
    for second in range(30):
        for word in one.words(second):
            other.hear(word, KNOWN, second, KEEP)
        for word in other.words(second):
            one.hear(word, KNOWN, second, KEEP)
        for each in (one, other):
            wake(each, begin=second, end=second + 1)
    assert not one.of(VIP)
    assert not other.of(VIP)


def test_what_somebody_holds_who_has_gone_is_told_on_but_ends_when_it_must() -> None:
    """All that heard the holder itself may start anew, one after the other."""
    first, second, third = Holders("n1"), Holders("n2"), Holders("n3")
    first.hear(held(seconds=100), KNOWN, 0.0, KEEP)
    wake(first, begin=1.0, end=10.0, gone=("n4",))
    for word in first.words(10.0):
        second.hear(word, KNOWN, 10.0, KEEP)
    wake(second, begin=10.0, end=20.0, gone=("n4",))
    for word in second.words(20.0):
        third.hear(word, KNOWN, 20.0, KEEP)
    wake(third, begin=20.0, end=60.0, gone=("n4",))
    assert third.of(VIP), "it has gone: nobody else can say so"
    for moment in range(60, 130):
        for one, other in ((first, second), (second, third), (third, first)):
            for word in one.words(moment):
                other.hear(word, KNOWN, moment, KEEP)
        for each in (first, second, third):
            wake(each, begin=moment, end=moment + 1, gone=("n4",))
    assert not any(each.of(VIP) for each in (first, second, third))


def test_what_a_peer_says_itself_counts_more_than_hearsay() -> None:
    holders = Holders("n3")
    holders.hear(held(hearsay=True), KNOWN, 0.0, KEEP)
    holders.hear(held(2), KNOWN, 1.0, KEEP)
    wake(holders, begin=1.0, end=6.0)
    assert holders.of(VIP)["n4"].connections == 2
    assert holders.hear(held(0, 0), KNOWN, 6.0, KEEP)
    assert not holders.of(VIP)
