"""Two nodes that elect one service by different means are named by what they gossip."""

from dataclasses import replace

from tests.unit.decide.builders import service

from roost.decide.vrrp.elections import Differing, differing, marks
from roost.model.virtual_router import VirtualRouter
from roost.protocols.words.metadata import VRRP_MARKS, Metadata

WEB, MAIL = service("192.0.2.200", "web"), service("192.0.2.201", "mail")
WEB_BY_VRRP = replace(WEB, vrrp=VirtualRouter(51))


def test_each_side_names_the_service() -> None:
    by_vrrp, by_hash = (Metadata(vrrp=marks([each, MAIL])) for each in (WEB_BY_VRRP, WEB))
    assert differing([WEB, MAIL], by_vrrp) == Differing(("web",), ())
    assert differing([WEB_BY_VRRP, MAIL], by_hash) == Differing((), ("web",))


def test_who_agrees_is_not_named() -> None:
    assert differing([WEB_BY_VRRP, MAIL], Metadata(vrrp=marks([WEB_BY_VRRP]))) == Differing((), ())
    assert differing([WEB, MAIL], Metadata()) == Differing((), ())


def test_settings_that_nodes_may_differ_in_make_no_other_mark() -> None:
    other = replace(WEB, vrrp=VirtualRouter(52, priority=7))
    assert marks([other]) == marks([WEB_BY_VRRP])


def test_of_more_services_than_are_told_the_rest_is_no_difference() -> None:
    many = [
        replace(service(f"192.0.2.{number}", f"s{number}"), vrrp=VirtualRouter(number))
        for number in range(1, VRRP_MARKS + 5)
    ]
    told = Metadata(vrrp=marks(many))
    assert len(told.vrrp) == VRRP_MARKS
    assert differing(many, told) == Differing((), ())
