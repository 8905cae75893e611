"""Rules that span several places of a file, checked on the tree itself.

They look at whatever can be read, so they find their errors even where the schema finds others.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from roost.model.address import canonical
from roost.standalone.document import Document, Found, Node, Path
from roost.standalone.problems import Finding, Spot
from roost.standalone.sharing import wrong_weights

__all__ = ["crossing"]


def crossing(document: Document) -> Iterator[Found]:
    """Yield what is wrong between places: repeated names and addresses, keys that exclude each other."""
    yield from _repeated_names(document)
    yield from _repeated_addresses(document)
    yield from _two_keys(document)
    yield from _wildcard_without_advertise(document)
    yield from wrong_weights(document)


def _repeated_names(document: Document) -> Iterator[Found]:
    first: dict[str, Spot] = {}
    for path, node in _services(document):
        name = _entry(node, "name")
        if name is None or not isinstance(name.value, str):
            continue
        if name.value in first:
            finding = Finding(
                f"another service has this name, in line {first[name.value].line}", "rename one of the two"
            )
            yield (*path, "name"), name.spot, finding
        first.setdefault(name.value, name.spot)


def _repeated_addresses(document: Document) -> Iterator[Found]:
    first: dict[str, tuple[Node, Spot]] = {}
    bind = _host(document.get(("membership", "bind")))
    for path, node in _services(document):
        for at, entry in enumerate(_items(_entry(node, "addresses"))):
            address = _address(entry)
            if address is None:
                continue
            here = (*path, "addresses", at)
            if address == bind:
                finding = Finding(
                    f"{address} is this node's own address (membership.bind)", "use a free address"
                )
                yield here, entry.spot, finding
            if address in first:
                owner, spot = first[address]
                same = owner is node
                whose = "this service" if same else _title(owner)
                cure = "keep one of the two" if same else "give each service its own address"
                yield (
                    here,
                    entry.spot,
                    Finding(f"{address} belongs to {whose} already, in line {spot.line}", cure),
                )
            first.setdefault(address, (node, entry.spot))


def _two_keys(document: Document) -> Iterator[Found]:
    path = ("membership", "keyFile")
    if document.get(path) and document.get(("membership", "key")):
        yield path, document.key_spot(path), Finding("stands beside key", "keep one of keyFile and key")


def _wildcard_without_advertise(document: Document) -> Iterator[Found]:
    path = ("membership", "bind")
    bind = document.get(path)
    if bind and _host(bind) in ("0.0.0.0", "::") and not document.get(("membership", "advertise")):  # noqa: S104 - compared
        yield (
            path,
            bind.spot,
            Finding(
                "does not say which address the others shall use",
                "bind one address, or set membership.advertise",
            ),
        )


def _services(document: Document) -> Iterator[tuple[Path, Node]]:
    for at, node in enumerate(_items(document.get(("services",)))):
        yield ("services", at), node


def _title(service: Node) -> str:
    name = _entry(service, "name")
    return f"service {name.value}" if name and isinstance(name.value, str) else "another service"


def _entry(node: Node, key: str) -> Node | None:
    return node.value.get(key) if isinstance(node.value, dict) else None


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _address(node: Node) -> str | None:
    try:
        return canonical(ip_address(node.value)) if isinstance(node.value, str) else None
    except ValueError:
        return None


def _host(node: Node | None) -> str | None:
    """Return the address in `address:port`, `[v6]:port` or alone, or None when it cannot be read."""
    if node is None or not isinstance(node.value, str):
        return None
    for text in (node.value, node.value.rpartition(":")[0].strip("[]"), node.value.strip("[]")):
        try:
            return canonical(ip_address(text))
        except ValueError:
            continue
    return None
