"""The record of foreign claims is bounded, forgets, and does not let anybody make us shout."""

from ipaddress import IPv4Address

from roost.decide.claims import ClaimBook

VIP, OTHER = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
MAC = bytes.fromhex("020000000009")


def test_claims_of_one_machine_are_one_alarm_that_counts() -> None:
    book = ClaimBook()
    book.note(VIP, MAC, "eth0", None, 100.0)
    alarm = book.note(VIP, MAC, "eth0", None, 105.0)
    assert (alarm.kind, alarm.first, alarm.last, alarm.count) == ("stranger", 100.0, 105.0, 2)
    assert book.alarms(105.0) == (alarm,)


def test_a_stranger_found_to_be_a_peer_is_called_one() -> None:
    book = ClaimBook()
    book.note(VIP, MAC, "eth0", None, 100.0)
    assert book.note(VIP, MAC, "eth0", "n2", 101.0).kind == "peer"
    assert len(book.alarms(101.0)) == 1


def test_alarms_about_peers_go_sooner_than_those_about_strangers() -> None:
    book = ClaimBook()
    book.note(VIP, MAC, "eth0", "n2", 0.0)
    book.note(OTHER, MAC, "eth0", None, 0.0)
    assert len(book.alarms(59.0)) == 2
    assert [alarm.kind for alarm in book.alarms(61.0)] == ["stranger"]
    assert not book.alarms(601.0)


def test_the_record_is_bounded_and_the_one_silent_for_longest_gives_way() -> None:
    book = ClaimBook()
    for number in range(1000):
        book.note(VIP, number.to_bytes(6, "big"), "eth0", None, float(number))
        book.note(VIP, MAC, "eth0", None, float(number))
    kept = {alarm.mac for alarm in book.alarms(1000.0)}
    assert len(kept) == 256
    assert MAC in kept
    assert (999).to_bytes(6, "big") in kept


def test_defence_is_once_a_second_for_each_address() -> None:
    book = ClaimBook()
    assert book.may_defend(VIP, 10.0)
    assert not book.may_defend(VIP, 10.9)
    assert book.may_defend(OTHER, 10.9)
    assert book.may_defend(VIP, 11.0)


def test_defence_against_a_peer_is_more_frequent() -> None:
    book = ClaimBook()
    assert book.may_defend(VIP, 10.0)
    assert not book.may_defend(VIP, 10.1, against_peer=True)
    assert book.may_defend(VIP, 10.25, against_peer=True)


def test_an_address_led_anew_may_be_defended_at_once() -> None:
    book = ClaimBook()
    book.may_defend(VIP, 10.0)
    book.forget(VIP)
    assert book.may_defend(VIP, 10.1)
