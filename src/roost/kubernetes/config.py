"""MetalLB's configuration objects: from what is in the API, or in a manifest, to pools and advertisements.

A mistake in one object refuses the whole configuration, as MetalLB does, and all mistakes are told at once.
Where MetalLB lets nonsense pass silently (a range from one family to another), this refuses it, too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from typing import Any, Final

from roost.kubernetes.resources import Namespace, Object, plain
from roost.kubernetes.taken import Taken
from roost.model.address import IPNetwork
from roost.model.pool import Pool, Restriction
from roost.model.service import Advertisement, LabelSelector, Preference

__all__ = [
    "L2Advertisement",
    "Mistake",
    "check_communities",
    "read_advertisements",
    "read_networks",
    "read_pools",
    "read_selector",
]

_OPERATORS: Final = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})
_MAPPED_PREFIX: Final = 96  # bits that ::ffff:0:0 has before the IPv4 address
_COMMUNITY: Final = re.compile(r"\d{1,5}:\d{1,5}|large:\d{1,10}:\d{1,10}:\d{1,10}")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in one field of one object, and the cure."""

    kind: str
    name: str
    field: str
    cause: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f" ({self.cure})" if self.cure else ""
        return f"{self.kind} {self.name}: {self.field}: {self.cause}{cure}"


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """A rule for services of some pools: `advertisement` tells which nodes and interfaces announce them.

    It counts for the pools in `pools` (None: all), and for services that one of `services` matches
    (empty: all).
    """

    name: str
    advertisement: Advertisement
    pools: frozenset[str] | None = None
    services: tuple[LabelSelector, ...] = ()

    def selects(self, pool: str, labels: Mapping[str, str]) -> bool:
        """Tell whether it counts for a service with these labels that has its addresses from `pool`."""
        if self.pools is not None and pool not in self.pools:
            return False
        return not self.services or any(selector.matches(labels) for selector in self.services)


@dataclass(slots=True)
class _Reader:
    """Reads the fields of one object and notes what is wrong with them."""

    kind: str
    item: Object
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.item["metadata"].get("name", ""))

    @property
    def spec(self) -> Object:
        return self.item.get("spec") or {}

    def wrong(self, path: str, cause: str, cure: str = "") -> None:
        self.mistakes.append(Mistake(self.kind, self.name, path, cause, cure))

    def selectors(self, path: str, values: Sequence[Object] | None) -> tuple[LabelSelector, ...]:
        """Read a list of selectors, none of them twice."""
        found: list[LabelSelector] = []
        for at, value in enumerate(values or ()):
            selector = self.selector(f"{path}[{at}]", value)
            if selector is None:
                continue
            if selector in found:
                self.wrong(f"{path}[{at}]", "is there twice", "remove one")
            found.append(selector)
        return tuple(found)

    def selector(self, path: str, value: Object, *, strict: bool = True) -> LabelSelector | None:
        try:
            return read_selector(value, strict=strict)
        except ValueError as error:
            self.wrong(path, str(error))
            return None

    def unique(self, path: str, names: Sequence[str] | None) -> tuple[str, ...]:
        for name, count in Counter(names or ()).items():
            if count > 1:
                self.wrong(path, f"{name!r} is there {count} times", "remove the others")
        return tuple(names or ())


def read_pools(
    items: Iterable[Object], namespaces: Iterable[Namespace]
) -> tuple[tuple[Pool, ...], tuple[Mistake, ...]]:
    """Return the pools in IPAddressPools, by name, and every mistake in them."""
    known = tuple(namespaces)
    pools: list[Pool] = []
    mistakes: list[Mistake] = []
    taken = Taken()
    for number, item in enumerate(sorted(items, key=_name)):
        reader = _Reader("IPAddressPool", item)
        if not reader.name:
            reader.wrong("metadata.name", "is empty")
        elif any(pool.name == reader.name for pool in pools):
            reader.wrong("metadata.name", "is there twice", "rename one")
        networks = list(_networks(reader))
        for network in networks:
            if clash := taken.clash(network, number):
                other, owner = clash
                cause = f"CIDR {network} overlaps with already defined CIDR {other} of {owner}"
                reader.wrong("spec.addresses", cause, "an address belongs to one pool")
            taken.add(network, number, reader.name)
        pools.append(
            Pool(
                reader.name,
                tuple(networks),
                auto_assign=reader.spec.get("autoAssign") is not False,
                avoid_buggy=reader.spec.get("avoidBuggyIPs") is True,
                restriction=_restriction(reader, known),
            )
        )
        mistakes += reader.mistakes
    return tuple(pools), tuple(mistakes)


def read_networks(text: str) -> list[IPNetwork]:
    """Return the networks of an entry of `addresses`, a CIDR or a range of two addresses.

    Raises ValueError. Bits behind the prefix are dropped; what is IPv4-mapped is IPv4.
    """
    return _read_range(text) if "-" in text else [_read_cidr(text)]


def read_advertisements(
    items: Iterable[Object], pool_labels: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[L2Advertisement, ...], tuple[Mistake, ...]]:
    """Return what L2Advertisements say, by name, and every mistake in them.

    `pool_labels` are the labels of the pools by name. Names of pools that do not exist select nothing.
    """
    found: list[L2Advertisement] = []
    mistakes: list[Mistake] = []
    for item in sorted(items, key=_name):
        reader = _Reader("L2Advertisement", item)
        spec = reader.spec
        names = reader.unique("spec.ipAddressPools", spec.get("ipAddressPools"))
        by_label = reader.selectors("spec.ipAddressPoolSelectors", spec.get("ipAddressPoolSelectors"))
        labelled = {
            pool
            for pool, labels in pool_labels.items()
            if any(selector.matches(labels) for selector in by_label)
        }
        interfaces = tuple(sorted({re.escape(name) for name in spec.get("interfaces") or ()}))
        advertisement = Advertisement(
            reader.name,
            selectors=reader.selectors("spec.nodeSelectors", spec.get("nodeSelectors")),
            interfaces=interfaces or None,
            preferences=tuple(_preferences(reader)),
        )
        everywhere = not names and not spec.get("ipAddressPoolSelectors")
        found.append(
            L2Advertisement(
                reader.name,
                advertisement,
                None if everywhere else frozenset(names) | labelled,
                reader.selectors("spec.serviceSelectors", spec.get("serviceSelectors")),
            )
        )
        mistakes += reader.mistakes
    return tuple(found), tuple(mistakes)


def check_communities(items: Iterable[Object]) -> tuple[Mistake, ...]:
    """Return the mistakes in Community objects: they matter to BGP alone, yet refuse a configuration."""
    mistakes: list[Mistake] = []
    seen: set[str] = set()
    for item in sorted(items, key=_name):
        reader = _Reader("Community", item)
        for at, alias in enumerate(reader.spec.get("communities") or ()):
            path = f"spec.communities[{at}]"
            if (name := alias.get("name", "")) in seen:
                reader.wrong(f"{path}.name", f"{name!r} is defined twice", "rename one")
            seen.add(name)
            if not _is_community(alias.get("value", "")):
                reader.wrong(f"{path}.value", f"{alias.get('value')!r} is no community", "as in 64512:1234")
        mistakes += reader.mistakes
    return tuple(mistakes)


def read_selector(value: Object, *, strict: bool = True) -> LabelSelector:
    """Return a metav1.LabelSelector. Raises ValueError; if `strict` also for anything there twice."""
    expressions = [_expression(each, strict=strict) for each in value.get("matchExpressions") or ()]
    if strict and len(set(expressions)) != len(expressions):
        raise ValueError("has the same matchExpression twice")
    labels = value.get("matchLabels") or {}
    return LabelSelector(tuple(sorted(labels.items())), tuple(sorted(expressions)))


def collapse(advertisements: Iterable[L2Advertisement]) -> tuple[L2Advertisement, ...]:
    """Return the advertisements without those that say the same as one before, preferences aside.

    MetalLB counts equal ones once, but those with preferences always add up.
    """
    kept: dict[Any, L2Advertisement] = {}
    for at, each in enumerate(advertisements):
        rule = replace(each.advertisement, name="")
        same = (rule, frozenset(each.services)) if not rule.preferences else at
        kept.setdefault(same, each)
    return tuple(kept.values())


def _name(item: Object) -> str:
    return str(item["metadata"].get("name", ""))


def _networks(reader: _Reader) -> Iterator[IPNetwork]:
    entries = reader.spec.get("addresses") or ()
    if not entries:
        reader.wrong("spec.addresses", "is empty", "give at least one CIDR or range")
    for at, text in enumerate(entries):
        try:
            yield from read_networks(str(text))
        except ValueError as error:
            reader.wrong(f"spec.addresses[{at}]", str(error), "as in 192.0.2.0/24 or 192.0.2.1-192.0.2.9")


def _read_cidr(text: str) -> IPNetwork:
    address, slash, prefix = text.partition("/")
    if not slash or not (prefix.isascii() and prefix.isdigit()) or "%" in address or text != text.strip():
        raise ValueError(f"invalid CIDR {text!r}")
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"invalid CIDR {text!r}") from error
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network


def _read_range(text: str) -> list[IPNetwork]:
    first_text, _, last_text = text.partition("-")
    if "%" in text:
        raise ValueError(f"invalid range {text!r}: an address of a pool has no zone")
    try:
        first, last = (plain(ip_address(each.strip())) for each in (first_text, last_text))
    except ValueError as error:
        raise ValueError(f"invalid range {text!r}: both ends must be whole addresses") from error
    if first.version != last.version:
        raise ValueError(f"invalid range {text!r}: its ends are of different IP families")
    if int(first) > int(last):
        raise ValueError(f"invalid range {text!r}: its end comes before its start")
    return list(summarize_address_range(first, last))


def _restriction(reader: _Reader, namespaces: Sequence[Namespace]) -> Restriction | None:
    spec = reader.spec.get("serviceAllocation")
    if spec is None:
        return None
    path = "spec.serviceAllocation"
    names = reader.unique(f"{path}.namespaces", spec.get("namespaces"))
    by_label = reader.selectors(f"{path}.namespaceSelectors", spec.get("namespaceSelectors"))
    services = reader.selectors(f"{path}.serviceSelectors", spec.get("serviceSelectors"))
    if not names and not spec.get("namespaceSelectors") and not spec.get("serviceSelectors"):
        services = (LabelSelector(),)
    found = {each.name for each in namespaces if any(selector.matches(each.labels) for selector in by_label)}
    return Restriction(int(spec.get("priority") or 0), frozenset(names) | found, services)


def _preferences(reader: _Reader) -> Iterator[Preference]:
    for at, each in enumerate(reader.spec.get("preferredNodeSelectors") or ()):
        path = f"spec.preferredNodeSelectors[{at}].preference"
        selector = reader.selector(path, each.get("preference") or {}, strict=False)
        if selector is not None:
            yield Preference(int(each.get("weight") or 0), selector)


def _expression(value: Object, *, strict: bool) -> tuple[str, str, tuple[str, ...]]:
    key, operator = value.get("key", ""), value.get("operator", "")
    values = tuple(sorted(value.get("values") or ()))
    if operator not in _OPERATORS:
        raise ValueError(f"operator {operator!r} is none of {', '.join(sorted(_OPERATORS))}")
    if operator in ("In", "NotIn") and not values:
        raise ValueError(f"operator {operator} of {key!r} needs values")
    if operator in ("Exists", "DoesNotExist") and values:
        raise ValueError(f"operator {operator} of {key!r} takes no values")
    if strict and len(set(values)) != len(values):
        raise ValueError(f"a value of {key!r} is there twice")
    return key, operator, values


def _is_community(value: str) -> bool:
    if not isinstance(value, str) or not _COMMUNITY.fullmatch(value):
        return False
    limit = 1 << 32 if value.startswith("large") else 1 << 16
    return all(int(part) < limit for part in value.removeprefix("large:").split(":"))
