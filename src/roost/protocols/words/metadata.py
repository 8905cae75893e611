"""What a node says about itself in gossip: at most 512 bytes of JSON in memberlist's `Meta`.

    {"roost":"0.1.0","labels":{"zone":"a"},"macs":["020000000001"],"ips":["192.0.2.11"],"links":["eth0"],"config":"3f2a9c","drain":true,"waits":2}

Empty parts are left out. Peers that are no Roost nodes put anything there, or nothing: their metadata
parses to an empty value. The version key is what marks a Roost node.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

from roost import __version__
from roost.model.address import IPAddress, IPNetwork
from roost.protocols.memberlist.messages import META_LIMIT

__all__ = ["VRRP_MARKS", "Metadata", "MetadataError", "encode", "parse"]

VRRP_MARKS: Final = 8
"""Of so many services a node tells that VRRP elects them."""

_MACS_LIMIT: Final = 64
_MARK_SIZE: Final = 8  # characters
_MAC_SIZE: Final = 6  # bytes
_NAME_SIZE: Final = 15  # characters of an interface's name (IFNAMSIZ)


class MetadataError(ValueError):
    """This node's metadata does not fit into gossip; the text says how far off it is and the cure."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """One node's own word: what it runs, its labels, and where it can announce from.

    `version` is "" for nodes that do not run Roost. `macs` are 6 bytes each, of the announcing
    interfaces, so that peers know their frames from a stranger's. `addresses` are the node's own ones on the
    first of these interfaces, in the same order (None where there is none): its kernel answers for them,
    which is how peers see that it lives. `interfaces` are the names of the
    announcing interfaces, None when it says nothing about them. `digest` tells whether two nodes
    run the same configuration. A node that is `draining`, or `waits` because it was
    lost that many times of late, or `deaf` because it hears nobody on its links or they flap, or `outdated`,
    leads only what no other node can. `drain_stands` once a drain is done and was not undone for a while.
    A `blind` one does not hear of changes. One that is `unable` cannot
    hold some addresses, and one that is `unfit` leads some services only where nobody is fit: both say which
    by words of their own. `networks` are the subnets of its announcing interfaces, None when it says nothing
    about them. `vrrp` are short marks of services that it elects by VRRP, left out where there is no room.
    """

    version: str = __version__
    labels: Mapping[str, str] = field(default_factory=dict)
    macs: tuple[bytes, ...] = ()
    addresses: tuple[IPAddress | None, ...] = ()
    interfaces: tuple[str, ...] | None = None
    digest: str = ""
    draining: bool = False
    drain_stands: bool = False
    waits: int = 0
    deaf: bool = False
    blind: bool = False
    outdated: bool = False
    unable: bool = False
    unfit: bool = False
    networks: tuple[IPNetwork, ...] | None = None
    vrrp: tuple[str, ...] = ()


_FOREIGN: Final = Metadata(version="")


def encode(metadata: Metadata) -> bytes:
    """Return `metadata` for the wire. Raises MetadataError when it takes more than 512 bytes."""
    document = {
        "roost": metadata.version,
        "labels": dict(metadata.labels),
        "macs": [mac.hex() for mac in metadata.macs],
        "ips": ["" if each is None else str(each) for each in metadata.addresses],
        "links": list(metadata.interfaces or ()),
        "config": metadata.digest,
        "drain": metadata.draining,
        "stands": metadata.drain_stands,
        "waits": metadata.waits,
        "deaf": metadata.deaf,
        "blind": metadata.blind,
        "outdated": metadata.outdated,
        "unable": metadata.unable,
        "unfit": metadata.unfit,
        "nets": [str(each) for each in metadata.networks or ()],
        "vrrp": list(metadata.vrrp),
    }
    data = _packed(document)
    if len(data) > META_LIMIT:
        data = _packed(document | {"vrrp": []})  # it only makes a problem's text say more
    if len(data) > META_LIMIT:
        raise MetadataError(
            f"{len(metadata.labels)} labels and {len(metadata.macs)} interfaces take {len(data)} bytes of "
            f"gossip metadata, {len(data) - META_LIMIT} over the limit of {META_LIMIT}; "
            "shorten or drop labels, or name fewer interfaces"
        )
    return data


def _packed(document: Mapping[str, Any]) -> bytes:
    present = {key: value for key, value in document.items() if value}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=1024)  # status and elections ask again for the same few bytes
def parse(meta: bytes) -> Metadata:
    """Return what a member's `meta` says; never fails, whatever the member wrote."""
    if len(meta) > META_LIMIT:
        return _FOREIGN
    try:
        document: Any = json.loads(meta)
    except (ValueError, RecursionError):
        return _FOREIGN
    if not isinstance(document, dict) or not isinstance(document.get("roost"), str):
        return _FOREIGN
    return Metadata(
        version=document["roost"],
        labels=_labels(document.get("labels")),
        macs=_macs(document.get("macs")),
        addresses=_addresses(document.get("ips")),
        interfaces=_names(document.get("links")),
        digest=digest if isinstance(digest := document.get("config"), str) else "",
        draining=document.get("drain") is True,
        drain_stands=document.get("stands") is True,
        deaf=document.get("deaf") is True,
        blind=document.get("blind") is True,
        outdated=document.get("outdated") is True,
        unable=document.get("unable") is True,
        unfit=document.get("unfit") is True,
        networks=_networks(document.get("nets")),
        vrrp=_marks(document.get("vrrp")),
        waits=waits if isinstance(waits := document.get("waits"), int) else 0,
    )


def _labels(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    # Expressions are matched with them: the time that may take grows with the length.
    return tuple(name for name in value[:_MACS_LIMIT] if isinstance(name, str) and len(name) <= _NAME_SIZE)


def _marks(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(each for each in value[:VRRP_MARKS] if isinstance(each, str) and len(each) <= _MARK_SIZE)


def _macs(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(mac for text in value[:_MACS_LIMIT] if (mac := _mac(text)) is not None)


def _addresses(value: object) -> tuple[IPAddress | None, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_address(text) for text in value[:_MACS_LIMIT])


def _networks(value: object) -> tuple[IPNetwork, ...] | None:
    if not isinstance(value, list):
        return None
    found = []
    for text in value[:_MACS_LIMIT]:
        try:
            found.append(ip_network(text))
        except (ValueError, TypeError):
            return None
    return tuple(found)


def _address(value: object) -> IPAddress | None:
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if address is None or address.is_multicast or address.is_unspecified else address


def _mac(value: object) -> bytes | None:
    try:
        mac = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return None
    return mac if len(mac) == _MAC_SIZE else None
