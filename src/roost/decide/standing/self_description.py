"""What a node gossips about itself: memberlist's metadata has 512 bytes, the rest goes with its state."""

from collections.abc import Sequence
from typing import Final

from roost import __version__
from roost.decide.effects import Describe
from roost.decide.settings import DeciderSettings
from roost.model.address import IPAddress, IPNetwork
from roost.model.link import Link, why_silent
from roost.protocols.machine import Effect
from roost.protocols.words.codec import Word
from roost.protocols.words.metadata import Metadata

__all__ = ["LINKS_TOLD", "Description", "own_metadata", "plain_metadata"]

LINKS_TOLD: Final = 8
_ADDRESSES_TOLD: Final = 2  # for probes by its peers
_NETWORKS_TOLD: Final = 6


class Description:
    """What was gossiped last, so that only changes are."""

    def __init__(self) -> None:
        self._last: Describe | None = None

    def of(self, metadata: Metadata, state: tuple[Word, ...]) -> list[Effect]:
        """Return what is to be gossiped, if it is not what was gossiped last."""
        wanted = Describe(metadata, state)
        if wanted == self._last:
            return []
        self._last = wanted
        return [wanted]


def own_metadata(
    links: Sequence[Link],
    settings: DeciderSettings,
    *,
    digest: str,
    draining: bool,
    drain_stands: bool,
    deaf: bool,
    blind: bool,
    outdated: bool,
    waits: int,
    unable: bool,
    unfit: bool,
    vrrp: tuple[str, ...],
) -> Metadata:
    """Return the metadata of a node that announces on `links`, with what it says of its state."""
    told = links[:LINKS_TOLD]
    return Metadata(
        version=__version__,
        labels=settings.labels,
        macs=tuple(link.mac for link in told),
        addresses=tuple(_own_address(link) for link in told[:_ADDRESSES_TOLD]),
        interfaces=tuple(link.name for link in told),
        digest=digest,
        draining=draining,
        drain_stands=drain_stands,
        deaf=deaf,
        blind=blind,
        outdated=outdated,
        networks=_networks(told) if settings.only_on_subnet else None,
        waits=waits,
        unable=unable,
        unfit=unfit,
        vrrp=vrrp,
    )


def plain_metadata(links: Sequence[Link], settings: DeciderSettings, digest: str) -> Metadata:
    """Return what a node with these links says of itself with these settings while all is well."""
    able = [each for each in links if not each.loopback and not why_silent(each, settings.interfaces)]
    return own_metadata(
        able,
        settings,
        digest=digest,
        draining=False,
        drain_stands=False,
        deaf=False,
        blind=False,
        outdated=False,
        waits=0,
        unable=False,
        unfit=False,
        vrrp=(),
    )


def _networks(links: Sequence[Link]) -> tuple[IPNetwork, ...]:
    """Return the subnets of links, without link-local ones."""
    found = (each.network for link in links for each in link.addresses if not each.is_link_local)
    return tuple(dict.fromkeys(found))[:_NETWORKS_TOLD]


def _own_address(link: Link) -> IPAddress | None:
    """Return the address of a link that its kernel answers for: IPv4 before IPv6, global before local."""
    own = sorted((each.ip for each in link.addresses), key=lambda ip: (ip.version, ip.is_link_local))
    return own[0] if own else None
