"""Who would lead if machines went away: as far as a node of a virtual router can know."""

from ipaddress import ip_address
from typing import Any

from tests.unit.decide.vrrp.lan import Node, VrrpLan, routed

from roost.decide.vrrp.foresight import Supposed, foresee
from roost.model.what_if import Prospect


def asked(node: Node, **supposed: Any) -> Prospect:
    state = node.decider.state
    part = state.routers.decides("web")
    assert part is not None
    leader = state.election.rankings["web"].leader
    peers = {state.machine_at(each.source, each.mac): each for each in part.peers.values()}
    return foresee(part, node.name, leader, peers, Supposed(**supposed))


def outcome(prospect: Prospect) -> tuple[str | None, str | None, bool]:
    return prospect.before, prospect.after, prospect.known


def pair() -> tuple[VrrpLan, Node, Node]:
    """Two nodes of a LAN that has run for a second: the first one, n1, is master, the second its backup."""
    lan = VrrpLan()
    one = lan.add(routed(priority=150))
    two = lan.add(routed(priority=100))
    lan.run(1)
    return lan, one, two


def test_a_backup_takes_over_and_says_when() -> None:
    _, _, two = pair()
    found = asked(two, down=["192.0.2.11"])
    assert outcome(found) == ("192.0.2.11", "n2", True)
    assert "n2 (priority 100) is the best that is known" in found.why
    assert "takes over 0.361 s after its last advert" in found.why
    assert "backups that have not led" in found.why
    assert "takes over 0.061 s" in asked(two, drain=["192.0.2.11"]).why


def test_a_master_knows_no_backup_that_never_led() -> None:
    _, one, _ = pair()
    found = asked(one, down=["n1"])
    assert outcome(found) == ("n1", None, False)
    assert "no other is known" in found.why
    stays = asked(one, down=["192.0.2.12"])
    assert outcome(stays) == ("n1", "n1", True)
    assert "n1 leads, with priority 150" in stays.why


def test_the_best_of_those_who_have_led_comes_first() -> None:
    """Three lead one after the other, each better than the one before; then the third one goes."""
    lan = VrrpLan()
    nodes = []
    for priority in (100, 150, 200):
        nodes.append(lan.add(routed(priority=priority)))
        lan.run(1)
    found = asked(nodes[0], down=["192.0.2.13"])
    assert outcome(found) == ("192.0.2.13", "192.0.2.12", True)
    assert "192.0.2.12 (priority 150), who led before, if it still runs; else n1 (priority 100)" in found.why
    both = asked(nodes[0], down=["192.0.2.13", "192.0.2.12"])
    assert outcome(both) == ("192.0.2.13", "n1", True)
    assert outcome(asked(nodes[1], down=["192.0.2.13"])) == ("192.0.2.13", "n2", True)
    assert outcome(asked(nodes[2], down=["n3"])) == ("n3", "192.0.2.12", True)
    nodes[2].frozen = True
    lan.run(1)
    assert (bool(nodes[1].answered), bool(nodes[0].answered)) == (True, False), "and so it comes"


def test_of_equals_the_higher_address_leads() -> None:
    lan = VrrpLan()
    lan.add(routed(priority=100))
    lan.run(1)
    two = lan.add(routed(priority=100))
    lan.add(routed(priority=200))
    lan.run(1)
    assert outcome(asked(two, down=["192.0.2.13"])) == ("192.0.2.13", "n2", True)


def test_who_takes_no_part_takes_nothing_over() -> None:
    lan, _, two = pair()
    lan.tell(two, two.decider.set_links, ())
    found = asked(two, down=["192.0.2.11"])
    assert outcome(found) == ("192.0.2.11", None, False)
    assert "n2 takes no part: a link of its subnet is not there" in found.why


def test_who_comes_has_to_be_better() -> None:
    _, _, two = pair()
    found = asked(two, add=["n9"])
    assert outcome(found) == ("192.0.2.11", "192.0.2.11", True)
    assert "n9 leads if its own is above 150 and it preempts" in found.why


def test_peers_that_are_configured_are_named() -> None:
    lan = VrrpLan()
    peers = tuple(ip_address(f"192.0.2.{number}") for number in (11, 12, 13))
    lan.add(routed(priority=150, peers=peers[1:]))
    two = lan.add(routed(priority=100, peers=(peers[0], peers[2])))
    lan.run(1)
    assert "192.0.2.13: configured, and never heard as master" in asked(two, down=["192.0.2.11"]).why
