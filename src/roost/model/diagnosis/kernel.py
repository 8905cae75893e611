"""What the kernel's settings and features, and programs that manage addresses, do to service addresses."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, ip_network
from typing import Final

from roost.model.diagnosis.facts import Facts, Host, Route
from roost.model.diagnosis.finding import Finding, found
from roost.model.link import Link, why_silent

__all__ = ["announcing", "findings", "setting"]

_PROTECTING: Final = {"arp_ignore": frozenset({1, 2, 3, 8}), "arp_announce": frozenset({2})}
_LOOSE: Final = 2
_SILENT: Final = 8  # arp_ignore: no answer for any local address
_KEPT: Final = 300_000  # milliseconds for which a neighbour is believed without a question; 30,000 by default
_NEARLY: Final = 0.9  # of a table
_IPVS: Final = "kube-ipvs0"
_ADAPTIVE: Final = "balance-alb"
_DEFAULT_ROUTE: Final = ip_network("0.0.0.0/0")


def announcing(facts: Facts) -> tuple[Link, ...]:
    """Return the links that announce, or would if a speaker ran.

    Without `interfaces` every link may announce; those that are in no service address's subnet are left
    out, if any link is in one: a mistake on a link without clients hurts nobody.
    """
    able = [
        each for each in facts.host.links if not each.loopback and not why_silent(each, facts.wish.interfaces)
    ]
    if facts.wish.interfaces is not None:
        return tuple(able)
    near = [each for each in able if _near(each, facts)]
    return tuple(near or [each for each in able if each.addresses])


def setting(host: Host, name: str) -> int | None:
    """Return a setting as a number, None where it does not exist."""
    try:
        return int(host.settings.get(name, ""))
    except ValueError:
        return None


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the host itself."""
    yield from _rights(facts)
    yield from _features(facts)
    yield from _proxy(facts)
    yield from _conntrack(facts)
    yield from _neighbours(facts)
    yield from _managers(facts)
    for link in announcing(facts):
        yield from _reverse_path(facts, link)
        yield from _arp(facts, link)
        yield from _ipv6(facts, link)
        yield from _device(facts, link)


def _near(link: Link, facts: Facts) -> bool:
    return any(address in own.network for own in link.addresses for address in facts.wish.addresses)


def _both(host: Host, name: str, link: Link) -> int:
    """Return a setting of IPv4 of which the greater of `all` and the link's counts."""
    values = (setting(host, f"net.ipv4.conf.{where}.{name}") for where in ("all", link.name))
    return max((value for value in values if value is not None), default=0)


def _shown(host: Host, name: str, link: Link) -> str:
    names = (f"net.ipv4.conf.{where}.{name}" for where in ("all", link.name))
    return ", ".join(f"{each} = {host.settings.get(each, '?')}" for each in names)


# -- rights and features ---------------------------------------------------------------------------


def _rights(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    lacking = [each for each in host.lacking if each != "CAP_NET_ADMIN" or facts.wish.local]
    if lacking:
        yield found(
            "rights",
            f"{host.whose} lacks {' and '.join(lacking)}",
            f"CapEff in its /proc/PID/status is without {', '.join(lacking)}",
            "run as root, or grant it (AmbientCapabilities= of the unit, setcap, securityContext)",
        )
    if host.settings_read_only and facts.wish.local:
        yield found(
            "settings read-only",
            "the ARP settings that keep this host from answering for others' addresses cannot be set",
            "/proc/sys is mounted read-only here",
            "run the container privileged, or set arp_ignore=3 and arp_announce=2 on the host for every "
            "interface",
        )


def _features(facts: Facts) -> Iterator[Finding]:
    features = facts.host.features
    if (why := features.get("nftables")) and facts.wish.keep_connections:
        yield found(
            "kernel feature",
            "this kernel has no nftables for this process: open connections break when an address moves",
            f"asked for its tables, it says: {why}",
            "load nf_tables (CONFIG_NF_TABLES), or set `keepConnections: 0` to want none",
        )
    if (why := features.get("bpf")) and facts.wish.responder in ("tcx", "clsact"):
        yield found(
            "kernel feature",
            f"announce.responder is {facts.wish.responder}, and this kernel loads no program for it",
            f"bpf(2) says: {why}",
            "grant CAP_BPF and CAP_NET_ADMIN, or write `responder: auto`",
        )
    elif why and facts.wish.spreads:
        yield found(
            "kernel feature",
            "this kernel loads no program that spreads connections: this node takes all that it gets",
            f"bpf(2) says: {why}",
            "grant CAP_BPF and CAP_NET_ADMIN, or write `sharing: leader`",
        )
    if why := features.get("packet sockets"):
        yield found(
            "kernel feature",
            "this kernel has no packet sockets: nothing can be answered",
            f"socket(AF_PACKET) says: {why}",
            "load af_packet (CONFIG_PACKET)",
        )


# -- ARP -------------------------------------------------------------------------------------------


def _proxy(facts: Facts) -> Iterator[Finding]:
    host, proxy = facts.host, facts.host.proxy
    has_ipvs = any(each.name == _IPVS for each in host.links)
    mode = proxy.mode if proxy else ""
    if mode != "ipvs" and not has_ipvs:
        return
    lax = [
        name
        for name, protecting in _PROTECTING.items()
        if any(_both(host, name, link) not in protecting for link in announcing(facts))
    ]
    is_off = proxy is not None and proxy.strict_arp is False
    if not lax and not is_off:
        return
    seen = [f"{_IPVS} holds all service addresses"] if has_ipvs else []
    seen += [f"mode {mode} ({proxy.source})"] if proxy and mode else []
    seen += ["strictARP: false"] if is_off else []
    seen += [
        f"net.ipv4.conf.all.{name} = {host.settings.get(f'net.ipv4.conf.all.{name}', '?')}" for name in lax
    ]
    yield found(
        "strict ARP off",
        "kube-proxy in IPVS mode makes every node answer ARP for every service address",
        "; ".join(seen),
        "set `ipvs.strictARP: true` in the ConfigMap kube-proxy, and restart kube-proxy",
    )


def _arp(facts: Facts, link: Link) -> Iterator[Finding]:
    host = facts.host
    if facts.wish.local:
        for name, protecting in _PROTECTING.items():
            everywhere = setting(host, f"net.ipv4.conf.all.{name}") or 0
            # Without a speaker the guard has not done its work yet; only what it cannot mend is wrong then.
            value = _both(host, name, link) if facts.status else max(everywhere, min(protecting))
            if value not in protecting and (facts.status or everywhere not in protecting):
                yield found(
                    "kernel answers ARP",
                    f"the kernel speaks ARP on {link.name} for addresses that this host does not lead",
                    _shown(host, name, link),
                    f"set net.ipv4.conf.all.{name} to 0, and find what sets it (sysctl.d, a tuning "
                    f"daemon); the "
                    "speaker sets the rest",
                )
    if _both(host, "arp_ignore", link) == _SILENT:
        yield found(
            "kernel is silent",
            f"the kernel answers no ARP on {link.name}, for this host's own address either: peers "
            f"resolve it late",
            _shown(host, "arp_ignore", link),
            "set it to 1, 2 or 3",
        )
    yield from _proxy_arp(facts, link)
    if (setting(host, f"net.ipv4.conf.{link.name}.drop_gratuitous_arp") or 0) or (
        setting(host, "net.ipv4.conf.all.drop_gratuitous_arp") or 0
    ):
        yield found(
            "learning off",
            f"this host drops gratuitous ARP on {link.name}: as a client it learns late that an address "
            f"has moved",
            _shown(host, "drop_gratuitous_arp", link),
            "set drop_gratuitous_arp to 0",
        )
    kept = setting(host, f"net.ipv4.neigh.{link.name}.base_reachable_time_ms")
    if kept is not None and kept > _KEPT:
        yield found(
            "neighbours kept long",
            f"this host believes a neighbour on {link.name} for {kept // 1000} s without asking",
            f"net.ipv4.neigh.{link.name}.base_reachable_time_ms = {kept}",
            "set it to 30000, the kernel's own",
        )


def _proxy_arp(facts: Facts, link: Link) -> Iterator[Finding]:
    host, mine = facts.host, [each for each in facts.wish.addresses if isinstance(each, IPv4Address)]
    elsewhere = [each for each in mine if _route(host.routes, each) not in ("", link.name)]
    whole_subnet = setting(host, f"net.ipv4.conf.{link.name}.proxy_arp_pvlan")
    if whole_subnet or (elsewhere and _both(host, "proxy_arp", link)):
        name = "proxy_arp_pvlan" if whole_subnet else "proxy_arp"
        yield found(
            "proxy ARP",
            f"the kernel answers ARP on {link.name} for addresses that are elsewhere, service addresses "
            f"among them",
            _shown(host, name, link),
            f"set {name} to 0 on {link.name}",
        )


def _route(routes: Sequence[Route], address: IPv4Address) -> str:
    fitting = [each for each in routes if address in each.network]
    return max(fitting, key=lambda each: each.network.prefixlen).link if fitting else ""


def _reverse_path(facts: Facts, link: Link) -> Iterator[Finding]:
    """Find strict filtering where the way back to clients is another link: the kernel drops their packets."""
    host = facts.host
    if _both(host, "rp_filter", link) != 1:  # the greater counts: 2 is loose
        return
    leaves = [each.link for each in host.routes if each.network == _DEFAULT_ROUTE]
    nets = {own.network for own in link.addresses if own.version == 4}
    twins = [
        each.name
        for each in host.links
        if each.name != link.name and not each.loopback and nets & {own.network for own in each.addresses}
    ]
    elsewhere = sorted({*twins, *(name for name in leaves if name != link.name and link.name not in leaves)})
    if not elsewhere:
        return
    drops = (
        f"; {host.reverse_path_drops} packets dropped by it since the boot" if host.reverse_path_drops else ""
    )
    yield found(
        "reverse path filter",
        f"strict reverse path filtering drops clients' packets that come in on {link.name} and are "
        f"answered by "
        f"{', '.join(elsewhere)}",
        f"{_shown(host, 'rp_filter', link)}; the way back is {', '.join(elsewhere)}{drops}",
        f"set net.ipv4.conf.{link.name}.rp_filter to 2 (loose)",
    )


# -- the rest --------------------------------------------------------------------------------------


def _ipv6(facts: Facts, link: Link) -> Iterator[Finding]:
    name = f"net.ipv6.conf.{link.name}.disable_ipv6"
    wanted = [each for each in facts.wish.addresses if each.version == 6]
    if wanted and setting(facts.host, name):
        yield found(
            "IPv6 off",
            f"{len(wanted)} IPv6 service addresses, and IPv6 is off on {link.name}",
            f"{name} = {facts.host.settings[name]}",
            "set it to 0, or take the addresses out of the file",
        )


def _device(facts: Facts, link: Link) -> Iterator[Finding]:
    host = facts.host
    if host.bonds.get(link.name) == _ADAPTIVE:
        yield found(
            "bond rewrites ARP",
            f"{link.name} rewrites the sender of ARP answers for each client: clients follow moves late "
            f"or never",
            f"/sys/class/net/{link.name}/bonding/mode is {_ADAPTIVE}",
            "use active-backup or 802.3ad",
        )
    if link.name in host.wireless and link.name not in host.promiscuous:
        yield found(
            "promiscuous mode needed",
            f"{link.name} is wireless: many drivers pass on ARP and multicast for other addresses in "
            f"promiscuous mode "
            "alone",
            f"{link.name} has a radio and is not promiscuous",
            f"ip link set {link.name} promisc on",
        )
    if link.kind == "bridge":
        ports = sorted(
            each.name for each in host.links if each.master == link.index and each.name in host.suppressing
        )
        if ports:
            yield found(
                "broadcast suppressed",
                f"ports of {link.name} keep ARP and ND to themselves: other hosts do not hear of moves",
                f"neigh_suppress is on for {', '.join(ports)}",
                f"bridge link set dev {ports[0]} neigh_suppress off",
            )


def _conntrack(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    if setting(host, "net.netfilter.nf_conntrack_tcp_loose") == 0 and facts.wish.keep_connections:
        yield found(
            "conntrack strict",
            "connections that were made on another host are invalid here: they break when an address moves",
            "net.netfilter.nf_conntrack_tcp_loose = 0",
            "set it to 1, the kernel's own, or `keepConnections: 0`",
        )
    many = setting(host, "net.netfilter.nf_conntrack_count")
    most = setting(host, "net.netfilter.nf_conntrack_max")
    if many is not None and most and many >= _NEARLY * most:
        yield found(
            "conntrack full",
            "the table of connections is nearly full: new ones are dropped",
            f"net.netfilter.nf_conntrack_count = {many}, nf_conntrack_max = {most}; "
            f"packets dropped for want of room: {_known(host.conntrack_drops)}",
            "raise net.netfilter.nf_conntrack_max, and look for who opens so many",
        )
    on = [name for name in ("all", *(each.name for each in announcing(facts))) if _localnet(host, name)]
    if on and facts.wish.local and facts.wish.keep_connections:
        yield found(
            "route_localnet",
            "connections end with the speaker's process, where they could go on",
            ", ".join(f"net.ipv4.conf.{name}.route_localnet = 1" for name in on),
            "set it to 0 where nothing needs it",
        )


def _known(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _localnet(host: Host, name: str) -> bool:
    return setting(host, f"net.ipv4.conf.{name}.route_localnet") == 1


def _neighbours(facts: Facts) -> Iterator[Finding]:
    most = setting(facts.host, "net.ipv4.neigh.default.gc_thresh3")
    if most and facts.host.neighbours >= _NEARLY * most:
        yield found(
            "neighbours full",
            "the table of neighbours is nearly full: hosts on the LAN cannot be reached then",
            f"{facts.host.neighbours} entries in /proc/net/arp, net.ipv4.neigh.default.gc_thresh3 = {most}",
            "raise gc_thresh1, gc_thresh2 and gc_thresh3",
        )


def _managers(facts: Facts) -> Iterator[Finding]:
    """Find who takes service addresses away: IPv4's are routes of table local, IPv6's stand on lo."""
    names = {"lo", *(each.name for each in announcing(facts))}
    for each in facts.host.managers if facts.wish.local else ():
        if each.link not in names:
            continue
        cures = {
            "systemd-networkd": f"take {each.link} out of {each.source} (Unmanaged=yes), or set "
            "ManageForeignRoutes=no "
            "in networkd.conf and KeepConfiguration=yes for the link",
            "NetworkManager": f"nmcli device set {each.link} managed no",
        }
        yield found(
            "addresses removed",
            f"{each.name} manages {each.link} and takes away {each.removes} that it did not set when it "
            f"reloads",
            f"{each.source} is for {each.link}",
            cures.get(each.name, f"keep it from {each.link}"),
        )
