"""What other keys say of a shared service: its weights against its nodes, and who answers."""

from collections.abc import Iterator

from roost.standalone.config import SpeakerConfig
from roost.standalone.document import Document, Found, Node, Path
from roost.standalone.problems import Finding

__all__ = ["not_spread", "wrong_weights"]


def wrong_weights(document: Document) -> Iterator[Found]:
    """Yield weights of nodes that may not announce the service, as far as the file names those that may."""
    services = document.get(("services",))
    for at in range(len(services.value) if services and isinstance(services.value, list) else 0):
        allowed = _names(document, ("services", at, "nodes"))
        where: Path = ("services", at, "sharing", "weights")
        weights = document.get(where)
        for name in weights.value if weights and isinstance(weights.value, dict) else ():
            if allowed is not None and name not in allowed:
                finding = Finding(
                    f"{name} is not among the service's nodes", "correct the name, or remove its weight"
                )
                yield (*where, name), document.key_spot((*where, name)), finding


def not_spread(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield services whose connections cannot be spread, because the process answers, not the kernel."""
    for at, service in enumerate(config.services):
        if service.sharing and service.sharing.by == "connection" and config.announce.responder == "packet":
            where: Path = ("services", at, "sharing")
            cause = "cannot spread connections beside announce.responder: packet: this node takes all it gets"
            yield where, document.key_spot(where), Finding(cause, "write responder: auto")


def _names(document: Document, path: Path) -> set[str] | None:
    """Return the nodes that may announce a service, None where labels choose them, too."""
    node = document.get(path)
    if node is not None and isinstance(node.value, dict) and node.value.keys() == {"names"}:
        node = node.value["names"]
    if node is None or not isinstance(node.value, list):
        return None
    return {each.value for each in node.value if isinstance(each, Node) and isinstance(each.value, str)}
