"""Whether a change of the configuration may be made: the whole of it is read as if it were there. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from roost.kubernetes.config import Mistake, check_communities, read_advertisements, read_pools
from roost.kubernetes.resources import Object

__all__ = ["PATHS", "mistakes_with", "response"]

PATHS: Final[Mapping[str, str]] = {
    "/validate-metallb-io-v1beta1-ipaddresspool": "ipaddresspools",
    "/validate-metallb-io-v1beta1-l2advertisement": "l2advertisements",
    "/validate-metallb-io-v1beta1-community": "communities",
}


def mistakes_with(plural: str, item: Object, live: Mapping[str, Sequence[Object]]) -> tuple[Mistake, ...]:
    """Return the mistakes that there are once `item` is among the `live` objects (by kind's plural)."""
    name = item["metadata"].get("name")
    others = [each for each in live.get(plural, ()) if each["metadata"].get("name") != name]
    found: dict[str, Iterable[Object]] = {**live, plural: [*others, item]}
    if plural == "communities":
        return check_communities(found[plural])
    pools = list(found.get("ipaddresspools", ()))
    _, mistakes = read_pools(pools, ())
    if plural == "l2advertisements":
        labels = {str(each["metadata"]["name"]): each["metadata"].get("labels") or {} for each in pools}
        mistakes += read_advertisements(found[plural], labels)[1]
    return mistakes


def response(request: Mapping[str, Any], namespace: str, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    """Return the AdmissionReview that answers `request`."""
    refusals = [str(mistake) for mistake in mistakes]
    if request.get("operation") == "CREATE" and request.get("namespace") != namespace:
        refusals.insert(0, f"resource must be created in {namespace} namespace")
    answer: dict[str, Any] = {"uid": request.get("uid", ""), "allowed": not refusals}
    if refusals:
        answer["status"] = {"code": 403, "message": "; ".join(refusals)}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
