"""What this host's nftables do with the packets that a cluster needs (the JSON of `nft -j list ruleset`).

A rule is known to match, known not to, or unknown (a set of the other family, an expression of iptables):
nothing that
hangs on an unknown is called a drop. Rules of iptables-nft and firewalld are among those that nft lists.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

from roost.model.address import IPAddress
from roost.model.diagnosis.facts import Facts
from roost.model.diagnosis.finding import Finding, found
from roost.model.diagnosis.kernel import announcing

__all__ = ["ONWARD_CURE", "Packet", "dropped", "findings", "passed_on_dropped"]

_DEPTH: Final = 16  # jumps
_HOOKS: Final = {
    "in": {
        "inet": ("prerouting", "input"),
        "ip": ("prerouting", "input"),
        "netdev": ("ingress",),
        "arp": ("input",),
    },
    "out": {
        "inet": ("output", "postrouting"),
        "ip": ("output", "postrouting"),
        "ip6": ("output", "postrouting"),
        "arp": ("output",),
    },
}
_VERDICTS: Final = frozenset({"accept", "drop", "reject", "return", "jump", "goto"})
_LINKS: Final = {"iif": "iifname", "oif": "oifname"}  # by number or by name: JSON has the name
_CURE: Final = "let it pass: a rule before that one, in this host's firewall"
ONWARD_CURE: Final = "let packets to service addresses pass that are `ct state untracked`, before that rule"


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow, as rules see it; `known` are its fields: ("tcp", "dport") -> 80."""

    way: str  # "in" or "out"
    known: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    families: frozenset[str] = frozenset({"inet", "ip", "netdev"})


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield what of the cluster's packets the firewall drops."""
    rules = facts.host.ruleset
    if rules is None:
        return
    if (port := facts.wish.port) is not None:
        lost: dict[str, list[str]] = {}
        for protocol in ("udp", "tcp"):
            for way in ("in", "out"):
                if where := dropped(rules, _flow(facts, protocol, way, port)):
                    lost.setdefault(where, []).append(f"{protocol.upper()} {way}")
        for where, ways in lost.items():
            yield found(
                "firewall drops gossip",
                f"this host's firewall drops gossip on port {port}: {', '.join(ways)}",
                where,
                f"{_CURE}; port {port}, UDP and TCP",
            )
        if where := dropped(rules, _echo(facts)):
            text = "this host's firewall drops ICMP echo requests, by which peers see that it lives"
            yield found("firewall drops echo", text, where, _CURE)
    links = [link.name for link in announcing(facts)]
    addresses = facts.wish.addresses if facts.wish.keep_connections else ()
    if where := passed_on_dropped(rules, addresses, links):
        yield found(
            "firewall drops connections",
            "this host's firewall drops what it passes on to the node that has them: connections break when "
            "an address moves here",
            where,
            ONWARD_CURE,
        )
    for way in ("in", "out"):
        packet = Packet(
            way, {("meta", "protocol"): "arp", ("ether", "type"): "arp"}, frozenset({"arp", "netdev"})
        )
        if where := dropped(rules, packet):
            text = f"this host's firewall drops ARP ({way}): neighbours cannot find it"
            yield found("firewall drops ARP", text, where, _CURE)


def dropped(ruleset: Sequence[Mapping[str, Any]], packet: Packet) -> str | None:
    """Return which rule or policy drops `packet`, in words, None when none is known to."""
    return _Walk(ruleset, packet).first_drop()


def passed_on_dropped(
    ruleset: Sequence[Mapping[str, Any]], addresses: Collection[IPAddress], links: Sequence[str]
) -> str | None:
    """Return which rule or policy drops packets that are passed on to another node, in words, or None.

    They leave by one of `links` as they came: the client's, to one of `addresses`, in mid-stream, untracked.
    """
    for address in addresses:
        four = address.version == 4
        family = "ip" if four else "ip6"
        known: dict[tuple[str, str], Any] = {
            ("meta", "l4proto"): "tcp",
            (family, "protocol" if four else "nexthdr"): "tcp",
            ("meta", "nfproto"): f"ipv{address.version}",
            ("meta", "protocol"): family,
            ("ether", "type"): family,
            ("ct", "state"): "untracked",
            (family, "daddr"): str(address),
        }
        known |= {("meta", "oifname"): links[0]} if len(links) == 1 else {("not", "oifname"): "lo"}
        if where := dropped(ruleset, Packet("out", known, frozenset({"inet", family}))):
            return where
    return None


def _flow(facts: Facts, protocol: str, way: str, port: int) -> Packet:
    known: dict[tuple[str, str], Any] = {
        ("meta", "l4proto"): protocol,
        ("ip", "protocol"): protocol,
        ("meta", "nfproto"): "ipv4",
        ("meta", "protocol"): "ip",
        ("ether", "type"): "ip",
        ("ct", "state"): "new",
        (protocol, "dport"): port,
        ("th", "dport"): port,
    }
    links = announcing(facts)
    name = "iifname" if way == "in" else "oifname"
    known |= {("meta", name): links[0].name} if len(links) == 1 else {("not", name): "lo"}
    if peer := next((each.address for each in facts.lan.peers if ":" not in each.address), None):
        known["ip", "saddr" if way == "in" else "daddr"] = peer
    return Packet(way, known)


def _echo(facts: Facts) -> Packet:
    ports = {("icmp", "dport"), ("th", "dport")}
    known = {key: value for key, value in _flow(facts, "icmp", "in", 0).known.items() if key not in ports}
    return Packet("in", known | {("icmp", "type"): "echo-request", ("icmp", "code"): 0})


class _Walk:
    """One packet through all base chains of its way, in the order of their priorities."""

    def __init__(self, ruleset: Sequence[Mapping[str, Any]], packet: Packet) -> None:
        self._packet = packet
        self._chains = [each["chain"] for each in ruleset if isinstance(each.get("chain"), Mapping)]
        self._rules: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        self._sets: dict[tuple[Any, ...], Any] = {}
        for each in ruleset:
            if isinstance(rule := each.get("rule"), Mapping):
                key = (rule.get("family"), rule.get("table"), rule.get("chain"))
                self._rules.setdefault(key, []).append(rule)
            for kind in ("set", "map"):
                if isinstance(made := each.get(kind), Mapping):
                    self._sets[made.get("family"), made.get("table"), made.get("name")] = made.get("elem", [])

    def first_drop(self) -> str | None:
        hooks = _HOOKS[self._packet.way]
        bases = [
            each
            for each in self._chains
            if each.get("family") in self._packet.families
            and each.get("hook") in hooks.get(each.get("family"), ())
        ]
        for chain in sorted(bases, key=lambda each: int(each.get("prio") or 0)):
            key = (chain["family"], chain["table"], chain["name"])
            verdict, where = self._chain(key, 0)
            if verdict == "drop":
                return where
            if verdict == "end" and chain.get("policy") == "drop":
                return f"nft: policy drop of chain {' '.join(map(str, key))}"
        return None

    def _chain(self, key: tuple[Any, ...], depth: int) -> tuple[str, str]:
        """Return what becomes of the packet: accept, drop, end (no rule says anything), or unknown."""
        for rule in self._rules.get(key, ()) if depth <= _DEPTH else ():
            if (outcome := self._outcome(rule, key, depth)) is not None:
                return outcome
        return ("end" if depth <= _DEPTH else "unknown"), ""

    def _outcome(self, rule: Mapping[str, Any], key: tuple[Any, ...], depth: int) -> tuple[str, str] | None:
        """Return how a rule ends the way through its chain, None when it goes on."""
        fits, (kind, target) = self._rule(rule, key)
        if fits is False or not kind:
            return None
        if kind in ("jump", "goto"):
            return self._followed((*key[:2], target), depth, fits=fits, returns=kind == "jump")
        if kind == "drop":
            where = f"nft: rule {rule.get('handle')} of chain {' '.join(map(str, key))}"
            return ("drop", where) if fits else None
        if fits is None:
            return "unknown", ""
        return ("end" if kind == "return" else "accept"), ""

    def _followed(
        self, key: tuple[Any, ...], depth: int, *, fits: bool | None, returns: bool
    ) -> tuple[str, str] | None:
        inner, where = self._chain(key, depth + 1)
        if inner == "end" and returns:
            return None
        if fits:
            return inner, where
        return None if inner == "drop" else ("unknown", "")

    def _rule(self, rule: Mapping[str, Any], key: tuple[Any, ...]) -> tuple[bool | None, tuple[str, str]]:
        """Return whether a rule matches, and its verdict with the chain that it names."""
        fits: bool | None = True
        verdict = ("", "")
        for expression in rule.get("expr", ()):
            (kind, body) = next(iter(expression.items()), ("", None))
            if kind == "match" and isinstance(body, Mapping):
                holds = self._match(body, key)
            elif kind in _VERDICTS:
                holds, verdict = True, _verdict(expression)
            elif kind == "vmap" and isinstance(body, Mapping):
                holds, verdict = self._vmap(body, key)
            elif kind in ("counter", "log", "comment", "mangle", "meter"):
                holds = True
            elif kind in ("queue", "fwd", "tproxy", "dnat", "redirect"):
                holds, verdict = None, ("accept", "")
            else:
                holds = None
            if holds is False:
                return False, verdict
            fits = None if holds is None else fits
        return fits, verdict

    def _vmap(self, body: Mapping[str, Any], key: tuple[Any, ...]) -> tuple[bool | None, tuple[str, str]]:
        data = body.get("data")
        pairs = self._sets.get((*key[:2], data[1:])) if isinstance(data, str) else (data or {}).get("set")
        if not isinstance(pairs, Sequence):
            return None, ("accept", "")
        unsure = False
        for pair in pairs:
            if not isinstance(pair, Sequence) or len(pair) != 2 or not isinstance(pair[1], Mapping):
                return None, ("accept", "")
            holds = self._match({"op": "==", "left": body.get("key"), "right": pair[0]}, key)
            if holds:
                return True, _verdict(pair[1])
            unsure = unsure or holds is None
        return (None, ("accept", "")) if unsure else (False, ("", ""))

    def _match(self, body: Mapping[str, Any], key: tuple[Any, ...]) -> bool | None:
        name = _name(body.get("left"))
        if name is None:
            return None
        operator, right = body.get("op"), body.get("right")
        if isinstance(right, str) and right.startswith("@"):
            right = {"set": self._sets.get((*key[:2], right[1:]), None)}
        known = self._packet.known
        if name not in known:
            if self._absent(name):
                return operator == "!="
            if ("not", name[1]) in known and _is_in(known["not", name[1]], right) is True and _is_one(right):
                return operator == "!="
            return None
        inside = _is_in(known[name], right)
        if inside is None or operator not in ("==", "!=", "in"):
            return None
        return not inside if operator == "!=" else inside

    def _absent(self, name: tuple[str, str]) -> bool:
        """Tell whether the packet has no such field: another protocol's."""
        own = self._packet.known.get(("meta", "l4proto"))
        family = self._packet.known.get(("meta", "nfproto"))
        layers = {"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp"}
        another = own is not None and name[0] in layers and name[0] != own
        return another or name[0] == {"ipv4": "ip6", "ipv6": "ip"}.get(family or "")


def _verdict(expression: Mapping[str, Any]) -> tuple[str, str]:
    kind, body = next(iter(expression.items()), ("", None))
    target = str(body.get("target", "")) if isinstance(body, Mapping) and kind in ("jump", "goto") else ""
    return ("drop" if kind == "reject" else kind), target


def _name(left: Any) -> tuple[str, str] | None:
    if not isinstance(left, Mapping):
        return None
    if isinstance(inner := left.get("payload"), Mapping) and "field" in inner:
        return str(inner.get("protocol")), str(inner["field"])
    for kind in ("meta", "ct"):
        if isinstance(inner := left.get(kind), Mapping) and "key" in inner:
            return kind, _LINKS.get(str(inner["key"]), str(inner["key"]))
    return None


def _is_one(right: Any) -> bool:
    return isinstance(right, str)


def _is_in(value: Any, right: Any) -> bool | None:
    """Tell whether a value is what a rule compares with: one, a list, a set, a range, a prefix."""
    if isinstance(right, Mapping):
        return _is_in_object(value, right)
    if isinstance(right, Sequence) and not isinstance(right, str):
        return _is_in_any(value, right)
    return bool(value == right)


def _is_in_object(value: Any, right: Mapping[str, Any]) -> bool | None:
    match next(iter(right.items()), ("", None)):
        case ("set", [*members]):
            return _is_in_any(value, members)
        case ("range", [int(low), int(high)]) if isinstance(value, int):
            return low <= value <= high
        case ("prefix", {"addr": addr, "len": length}):
            try:
                return ip_address(value) in ip_network(f"{addr}/{length}", strict=False)
            except ValueError:
                return None
        case ("elem", {"val": inner}):
            return _is_in(value, inner)
    return None


def _is_in_any(value: Any, members: Sequence[Any]) -> bool | None:
    each = [_is_in(value, member) for member in members]
    return True if True in each else None if None in each else False
