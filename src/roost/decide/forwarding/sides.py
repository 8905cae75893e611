"""On which links a balanced service shows: its addresses to clients, its gateways to backends."""

from collections.abc import Sequence

from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.forwarding import Forward
from roost.model.link import Link, reaches

__all__ = ["wrong_sides"]


def wrong_sides(
    address: IPAddress, forward: Forward, announcement: Announcement, links: Sequence[Link]
) -> frozenset[str]:
    """Return the names of links on which nobody is to have `address`; never all that are announced on.

    A gateway is left out where its subnet is not, an address of the service where the backends' is and its
    own is not.
    """
    allowed = [link for link in links if announcement.allows(link.name)]
    if address in forward.gateways:
        wrong = [link for link in allowed if not reaches(link, address)]
    else:
        behind = forward.gateways or tuple(each.address for each in forward.backends)
        wrong = [
            link
            for link in allowed
            if not reaches(link, address) and any(reaches(link, each) for each in behind)
        ]
    return frozenset(link.name for link in wrong) if len(wrong) < len(allowed) else frozenset()
