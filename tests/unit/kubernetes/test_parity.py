"""Parity with MetalLB: its rules written down a second time, from the facts, over generated clusters.

The model below works on the raw objects, shares no code with Roost and is as plain as can be.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.controller.convergence import converge
from roost.kubernetes.config import read_advertisements, read_pools
from roost.kubernetes.desired import Policy, agree, desired_services, node_facts
from roost.kubernetes.resources import Namespace, parse_endpoint_slice, parse_node, parse_service
from roost.model.address import canonical
from roost.model.allocation import Allocator
from roost.model.election import Election
from roost.model.node import Candidate
from roost.model.service import Service

NODES = ("node-a", "node-b", "node-c", "node-d")
NAMESPACES = {"default": {}, "team": {"tier": "gold"}}
LABEL = st.fixed_dictionaries({}, optional={"zone": st.sampled_from("xy"), "app": st.sampled_from("ab")})
SELECTOR = st.one_of(
    st.just({}),
    st.builds(lambda v: {"matchLabels": {"zone": v}}, st.sampled_from("xy")),
    st.builds(
        lambda op, vs: {"matchExpressions": [{"key": "app", "operator": op, "values": sorted(vs)}]},
        st.sampled_from(["In", "NotIn"]),
        st.sets(st.sampled_from("ab"), min_size=1),
    ),
    st.just({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}),
)
SELECTORS = st.lists(SELECTOR, max_size=2, unique_by=str)
ENTRIES = st.sampled_from(
    [
        ["192.0.2.0/31"],
        ["192.0.2.4-192.0.2.6"],
        ["198.51.100.0/30"],
        ["198.51.100.255/32"],
        ["2001:db8::/127"],
        ["203.0.113.0/31", "2001:db8:1::/126"],
    ]
)
WRONG = st.sampled_from([["192.0.2.0/24"], ["192.0.2.9-192.0.2.3"], [" 192.0.2.0/24"], ["198.51.100.0/30"]])
ALLOCATION = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "priority": st.integers(0, 3),
        "namespaces": st.lists(st.sampled_from(["default", "team"]), max_size=2),
        "namespaceSelectors": st.just([{"matchLabels": {"tier": "gold"}}]),
        "serviceSelectors": SELECTORS,
    },
)


@st.composite
def pools(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    entries = draw(st.lists(ENTRIES, max_size=4, unique_by=str))
    if draw(st.integers(0, 9)) == 0:
        entries.append(draw(WRONG))
    for at, addresses in enumerate(entries):
        spec: dict[str, Any] = {"addresses": addresses}
        if draw(st.booleans()):
            spec |= {"autoAssign": draw(st.booleans()), "avoidBuggyIPs": draw(st.booleans())}
        if (allocation := draw(ALLOCATION)) is not None:
            spec["serviceAllocation"] = allocation
        found.append({"metadata": {"name": f"pool{at}", "labels": draw(LABEL)}, "spec": spec})
    return found


ADVERTISEMENT = st.fixed_dictionaries(
    {},
    optional={
        "ipAddressPools": st.lists(st.sampled_from(["pool0", "pool1", "ghost"]), max_size=3),
        "ipAddressPoolSelectors": SELECTORS,
        "nodeSelectors": SELECTORS,
        "serviceSelectors": SELECTORS,
        "interfaces": st.just(["eth0"]),
        "preferredNodeSelectors": st.lists(
            st.builds(lambda w, p: {"weight": w, "preference": p}, st.integers(1, 100), SELECTOR), max_size=2
        ),
    },
)


@st.composite
def services(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for at in range(draw(st.integers(1, 5))):
        annotations = {}
        if draw(st.integers(0, 3)) == 0:
            annotations["metallb.io/address-pool"] = draw(st.sampled_from(["pool0", "pool1", "ghost"]))
        if draw(st.booleans()):
            annotations["metallb.io/allow-shared-ip"] = draw(st.sampled_from(["k", "k", "k", ""]))
        if draw(st.integers(0, 4)) == 0:
            annotations["metallb.io/loadBalancerIPs"] = draw(
                st.sampled_from(["192.0.2.1", "198.51.100.0", "192.0.2.1,2001:db8::1"])
            )
        ips, families, policy = draw(
            st.sampled_from(
                [
                    (["198.18.0.9"], ["IPv4"], "SingleStack"),
                    (["2001:db8:96::9"], ["IPv6"], "SingleStack"),
                    (["198.18.0.9", "2001:db8:96::9"], ["IPv4", "IPv6"], "PreferDualStack"),
                    (["2001:db8:96::9", "198.18.0.9"], ["IPv6", "IPv4"], "PreferDualStack"),
                    (["198.18.0.9", "2001:db8:96::9"], ["IPv4", "IPv6"], "RequireDualStack"),
                ]
            )
        )
        spec: dict[str, Any] = {
            "type": "LoadBalancer",
            "clusterIPs": ips,
            "ipFamilies": families,
            "ipFamilyPolicy": policy,
            "externalTrafficPolicy": draw(st.sampled_from(["Cluster", "Local"])),
            "selector": {"app": draw(st.sampled_from("ab"))},
            "ports": [{"port": draw(st.integers(1, 2)), "protocol": "TCP"}],
        }
        metadata = {
            "name": f"s{at}",
            "namespace": draw(st.sampled_from(["default", "team"])),
            "labels": draw(LABEL),
            "annotations": annotations,
        }
        found.append({"metadata": metadata, "spec": spec, "status": {}})
    return found


@st.composite
def nodes(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for name in NODES[: draw(st.integers(1, 4))]:
        labels = dict(draw(LABEL))
        if draw(st.integers(0, 5)) == 0:
            labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
        state = draw(st.sampled_from(["True", "False", "Unknown", None, None]))
        conditions = [{"type": "NetworkUnavailable", "status": state}] if state else []
        found.append(
            {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}, "spec": {}}
        )
    return found


@st.composite
def endpoints(draw: st.DrawFn, service: dict[str, Any]) -> dict[str, Any]:
    metadata = service["metadata"]
    listed = []
    for name in draw(st.lists(st.sampled_from(NODES), max_size=3)):
        conditions = {
            key: value
            for key in ("ready", "serving")
            if (value := draw(st.sampled_from([True, False, None]))) is not None
        }
        listed.append({"nodeName": name, "conditions": conditions})
    return {
        "metadata": {
            "name": f"{metadata['name']}-x",
            "namespace": metadata["namespace"],
            "labels": {"kubernetes.io/service-name": metadata["name"]},
        },
        "endpoints": listed,
    }


# -- MetalLB's rules, once more ------------------------------------------------------------------


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions", []):
        has = each["key"] in labels
        if each["operator"] == "Exists" and not has:
            return False
        if each["operator"] == "In" and not (has and labels[each["key"]] in each["values"]):
            return False
        if each["operator"] == "NotIn" and has and labels[each["key"]] in each["values"]:
            return False
    return True


def expand(addresses: list[str]) -> list[Any] | None:
    """All addresses of a pool in the order they are tried, or None when an entry is refused."""
    found: list[Any] = []
    for text in addresses:
        if "-" in text:
            first, last = (ipaddress.ip_address(each.strip()) for each in text.split("-"))
            if int(first) > int(last):
                return None
            block = [type(first)(number) for number in range(int(first), int(last) + 1)]
        elif text != text.strip():
            return None
        else:
            block = list(ipaddress.ip_network(text))
        if set(block) & set(found):
            return None
        found += block
    return found


class Model:
    def __init__(self, pool_objects: list[dict[str, Any]]) -> None:
        self.pools: dict[str, dict[str, Any]] = {}
        self.accepted = True
        seen: set[Any] = set()
        for item in pool_objects:
            spec = item["spec"]
            addresses = expand(spec["addresses"])
            allocation = spec.get("serviceAllocation")
            if addresses is None or seen & set(addresses):
                self.accepted = False
                return
            seen |= set(addresses)
            if allocation is not None and len(set(allocation.get("namespaces", []))) != len(
                allocation.get("namespaces", [])
            ):
                self.accepted = False
                return
            if spec.get("avoidBuggyIPs"):
                usable = [ip for ip in addresses if ip.version == 6 or int(ip) % 256 not in (0, 255)]
            else:
                usable = addresses
            self.pools[item["metadata"]["name"]] = {"all": addresses, "usable": usable, **spec}
        self.held: dict[str, tuple[str, list[Any], tuple[str, str, int]]] = {}

    def resolved(self, pool: dict[str, Any]) -> tuple[set[str], list[Any], int] | None:
        allocation = pool.get("serviceAllocation")
        if allocation is None:
            return None
        names = set(allocation.get("namespaces", []))
        for selector in allocation.get("namespaceSelectors", []):
            names |= {name for name, labels in NAMESPACES.items() if matches(selector, labels)}
        selectors = list(allocation.get("serviceSelectors", []))
        if not any(allocation.get(key) for key in ("namespaces", "namespaceSelectors", "serviceSelectors")):
            selectors = [{}]
        return names, selectors, allocation.get("priority", 0)

    def open_to(self, pool: dict[str, Any], service: dict[str, Any]) -> bool:
        limits = self.resolved(pool)
        if limits is None:
            return True
        names, selectors, _ = limits
        metadata = service["metadata"]
        if names and metadata["namespace"] not in names:
            return False
        return not selectors or any(matches(each, metadata["labels"]) for each in selectors)

    def free(self, ip: Any, mine: tuple[str, str, int]) -> bool:
        for _, addresses, theirs in self.held.values():
            if ip in addresses:
                key, backend, port = theirs
                if not key or key != mine[0] or backend != mine[1] or port == mine[2]:
                    return False
        return True

    def allocate(self, service: dict[str, Any]) -> list[Any]:
        metadata, spec = service["metadata"], service["spec"]
        annotations = metadata["annotations"]
        local = spec["externalTrafficPolicy"] == "Local"
        mine = (
            annotations.get("metallb.io/allow-shared-ip", ""),
            f"app={spec['selector']['app']}" if local else "",
            spec["ports"][0]["port"],
        )
        versions = sorted(ipaddress.ip_address(ip).version for ip in spec["clusterIPs"])
        wanted_pool = annotations.get("metallb.io/address-pool")
        if request := annotations.get("metallb.io/loadBalancerIPs"):
            addresses = [ipaddress.ip_address(each) for each in request.split(",")]
            name = next(
                (n for n, pool in self.pools.items() if all(ip in pool["usable"] for ip in addresses)), None
            )
            if (
                sorted(ip.version for ip in addresses) != versions
                or name is None
                or not self.open_to(self.pools[name], service)
                or not all(self.free(ip, mine) for ip in addresses)
                or (wanted_pool and wanted_pool != name)
            ):
                return []
            return self.take(service, name, sorted(addresses, key=str), mine)
        if wanted_pool:
            if wanted_pool not in self.pools or not self.open_to(self.pools[wanted_pool], service):
                return []
            return self.choose(service, [wanted_pool], versions, mine)
        pinned = []
        general = []
        for name in sorted(self.pools):
            pool = self.pools[name]
            limits = self.resolved(pool)
            if pool.get("autoAssign") is False:
                continue
            if limits is None:
                general.append(name)
            elif (metadata["namespace"] in limits[0] or limits[1]) and self.open_to(pool, service):
                pinned.append((limits[2] if limits[2] > 0 else 10**9, name))
        return self.choose(service, [name for _, name in sorted(pinned)], versions, mine) or self.choose(
            service, general, versions, mine
        )

    def choose(
        self, service: dict[str, Any], names: list[str], versions: Sequence[int], mine: Any
    ) -> list[Any]:
        def lowest(name: str, version: int) -> Any:
            usable = self.pools[name]["usable"]
            return next((ip for ip in usable if ip.version == version and self.free(ip, mine)), None)

        for name in names:
            found = [lowest(name, version) for version in versions]
            if all(found):
                return self.take(service, name, found, mine)
        if len(versions) == 2 and service["spec"]["ipFamilyPolicy"] == "PreferDualStack":
            first = 6 if service["spec"]["ipFamilies"][0] == "IPv6" else 4
            for version in (first, 10 - first):
                for name in names:
                    if ip := lowest(name, version):
                        return self.take(service, name, [ip], mine)
        return []

    def take(self, service: dict[str, Any], name: str, addresses: list[Any], mine: Any) -> list[Any]:
        metadata = service["metadata"]
        self.held[f"{metadata['namespace']}/{metadata['name']}"] = (name, addresses, mine)
        return addresses


def leader(
    service: dict[str, Any],
    addresses: list[Any],
    pool: dict[str, Any],
    advertisements: list[dict[str, Any]],
    node_objects: list[dict[str, Any]],
    listed: list[dict[str, Any]],
) -> str | None:
    labels = service["metadata"]["labels"]
    able = {
        each["nodeName"]
        for each in listed
        if each["conditions"].get("ready") in (None, True) or each["conditions"].get("serving")
    }
    if not able:
        return None
    rules = []
    for item in advertisements:
        spec = item["spec"]
        by_name, by_label = spec.get("ipAddressPools", []), spec.get("ipAddressPoolSelectors", [])
        chosen = (
            (not by_name and not by_label)
            or pool["metadata"]["name"] in by_name
            or any(matches(each, pool["metadata"]["labels"]) for each in by_label)
        )
        wanted = spec.get("serviceSelectors", [])
        if chosen and (not wanted or any(matches(each, labels) for each in wanted)):
            rules.append(spec)
    if "metallb.io/allow-shared-ip" in service["metadata"]["annotations"] and any(
        spec.get("serviceSelectors") for spec in rules
    ):
        return None
    found = []
    for item in node_objects:
        name, facts = item["metadata"]["name"], item["metadata"]["labels"]
        covering = [
            spec
            for spec in rules
            if not spec.get("nodeSelectors") or any(matches(each, facts) for each in spec["nodeSelectors"])
        ]
        unavailable = any(each["status"] == "True" for each in item["status"]["conditions"])
        if not covering or unavailable or "node.kubernetes.io/exclude-from-external-load-balancers" in facts:
            continue
        if service["spec"]["externalTrafficPolicy"] == "Local" and name not in able:
            continue
        score = sum(
            each["weight"]
            for spec in covering
            for each in spec.get("preferredNodeSelectors", [])
            if matches(each["preference"], facts)
        )
        found.append((-score, hashlib.sha256(f"{name}#{addresses[0]}".encode()).digest(), name))
    return min(found)[2] if found else None


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(pools(), st.lists(ADVERTISEMENT, max_size=3), services(), nodes(), st.data())
def test_acceptance_addresses_and_leaders_are_metallbs(
    pool_objects: list[dict[str, Any]],
    specs: list[dict[str, Any]],
    service_objects: list[dict[str, Any]],
    node_objects: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    advertisements = [{"metadata": {"name": f"a{at}"}, "spec": spec} for at, spec in enumerate(specs)]
    slices = [data.draw(endpoints(service)) for service in service_objects]
    model = Model(pool_objects)
    ours, mistakes = read_pools(pool_objects, [Namespace(*each) for each in NAMESPACES.items()])
    assert model.accepted == (not mistakes)
    labels = {item["metadata"]["name"]: item["metadata"]["labels"] for item in pool_objects}
    rules, wrong = read_advertisements(advertisements, labels)
    twice = any(
        len(set(spec.get("ipAddressPools", []))) != len(spec.get("ipAddressPools", [])) for spec in specs
    )
    assert twice == bool(wrong)
    if mistakes or wrong:
        return
    allocator = Allocator(ours)
    wanted: list[Service] = []
    for item, listed in zip(service_objects, slices, strict=True):
        outcome = converge(parse_service(item), allocator, 0.0)
        expected = model.allocate(item) if model.pools else []
        assert sorted(map(canonical, outcome.addresses)) == sorted(map(str, expected)), item["metadata"]
        ingress = [{"ip": canonical(address)} for address in outcome.addresses]
        told = parse_service({**item, "status": {"loadBalancer": {"ingress": ingress}}})
        wanted += desired_services(told, [parse_endpoint_slice(listed)], Policy(ours, rules))
    facts = [node_facts(parse_node(item), ignore_exclude_label=False, assumed=False) for item in node_objects]
    election = Election(agree(wanted), [Candidate(node) for node in facts])
    for item, listed in zip(service_objects, slices, strict=True):
        key = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if key not in model.held:
            assert key not in election.rankings
            continue
        if _locals_differ(key, service_objects, slices, model):
            continue  # MetalLB may elect two nodes for one address here; Roost does not
        name, addresses, _ = model.held[key]
        pool = next(each for each in pool_objects if each["metadata"]["name"] == name)
        expected_leader = leader(item, addresses, pool, advertisements, node_objects, listed["endpoints"])
        assert election.rankings[key].leader == expected_leader


def _locals_differ(key: str, items: list[dict[str, Any]], slices: list[dict[str, Any]], model: Model) -> bool:
    """Tell whether the service shares its address, with traffic kept local: sets of endpoints may differ."""
    item = next(
        each for each in items if f"{each['metadata']['namespace']}/{each['metadata']['name']}" == key
    )
    if item["spec"]["externalTrafficPolicy"] != "Local":
        return False
    mine = set(model.held[key][1])
    return any(mine & set(addresses) for other, (_, addresses, _) in model.held.items() if other != key)
