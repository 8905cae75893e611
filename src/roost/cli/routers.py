"""Virtual routers as people read them."""

from typing import Any, Final

from roost.cli.screen import Screen

__all__ = ["routers"]

_STATES: Final = {"Master": "bold green", "Fault": "red", "Initialize": "yellow"}


def routers(instances: list[dict[str, Any]], screen: Screen) -> None:
    """Show this node's instances, and what each of their peers said last."""
    for each in instances:
        screen.line(
            f"VRRP {each['vrid']} over IPv{each['family']} on {each['interface'] or 'no link'}: ",
            (each["state"], _STATES.get(each["state"], "")),
            f" ({each['why']}), priority {each['priority']}, version {each['version']}, "
            f"every {each['interval_s']:g} s",
            f", from {each['address']}" if each["address"] else "",
            f", MAC {each['virtual_mac']}" if each["virtual_mac"] else "",
            indent=4,
        )
    rows = [
        (
            f"{each['vrid']} IPv{each['family']}",
            peer["node"] or peer["address"],
            peer["mac"] or "",
            str(peer["priority"]),
            peer["state"],
            f"{peer['interval_s']:g} s",
            peer["checksum"] or "",
            screen.moment(peer["last_advert"]),
        )
        for each in instances
        for peer in each["peers"]
    ]
    if rows:
        screen.table(
            ("router", "peer", "MAC", "priority", "state", "interval", "checksum", "last advert"), rows
        )
    if rows and all(peer["node"] for each in instances for peer in each["peers"]):
        hint = "all its peers run Roost: `election: hash` finds a dead node sooner, with fewer packets"
        screen.line((hint, "dim"), indent=4)
    for each in instances:
        if ignored := each["adverts_ignored"]:
            counts = ", ".join(f"{count} for {reason}" for reason, count in sorted(ignored.items()))
            screen.line(f"VRRP {each['vrid']} over IPv{each['family']}: adverts ignored: {counts}", indent=4)
