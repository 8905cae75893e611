"""Who never answered for the address by which it is watched."""

from ipaddress import ip_address

from roost.decide.witnessing.unshown import Unshown

ONE, OTHER = ip_address("192.0.2.1"), ip_address("192.0.2.2")


def test_who_never_answered_is_handed_over_with_its_address() -> None:
    unshown = Unshown(lambda name, _: name != "n3")
    unshown.follow({"n2": ONE, "n3": ONE}, 0.0)
    assert unshown.next_wake() == 0.2
    assert unshown.in_vain(0.1) == {}
    assert unshown.in_vain(0.2) == {"n2": ONE}
    assert unshown.in_vain(0.3) == {}
    assert unshown.next_wake() is None
    unshown.follow({"n2": OTHER}, 0.3)
    assert unshown.next_wake() == 1.3, "less often from then on"


def test_time_begins_anew_with_another_address_and_not_with_the_same() -> None:
    unshown = Unshown(lambda _name, _now: True)
    unshown.follow({"n2": ONE}, 0.0)
    unshown.follow({"n2": ONE}, 0.1)
    assert unshown.next_wake() == 0.2
    unshown.follow({"n2": OTHER}, 0.15)
    assert unshown.next_wake() == 0.35


def test_who_has_answered_meanwhile_is_left_alone() -> None:
    shown: set[str] = set()
    unshown = Unshown(lambda name, _: name not in shown)
    unshown.follow({"n2": ONE}, 0.0)
    shown.add("n2")
    assert unshown.in_vain(1.0) == {}
