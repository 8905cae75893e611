"""The CustomResourceDefinitions of MetalLB's that layer 2 needs, field by field as MetalLB publishes them.

`python -m roost.kubernetes.definitions FOLDER` writes them as YAML files for `deploy/`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["GROUP", "KINDS", "VERSION", "Kind", "definitions"]

GROUP: Final = "metallb.io"
VERSION: Final = "v1beta1"

Schema = Mapping[str, Any]


def _string(about: str = "", **more: Any) -> Schema:
    return {"type": "string", **_described(about), **more}


def _integer(about: str = "", **more: Any) -> Schema:
    return {"type": "integer", **_described(about), **more}


def _list(items: Schema, about: str = "", **more: Any) -> Schema:
    return {"type": "array", "items": items, **_described(about), **more}


def _object(properties: Mapping[str, Schema], about: str = "", **more: Any) -> Schema:
    return {"type": "object", "properties": dict(properties), **_described(about), **more}


def _described(about: str) -> dict[str, str]:
    return {"description": about} if about else {}


_SELECTOR: Final[Schema] = _object(
    {
        "matchExpressions": _list(
            _object(
                {
                    "key": _string("Label key."),
                    "operator": _string("One of In, NotIn, Exists and DoesNotExist."),
                    "values": _list(_string(), "For In and NotIn.", **{"x-kubernetes-list-type": "atomic"}),
                },
                required=["key", "operator"],
            ),
            "Requirements that must all hold.",
            **{"x-kubernetes-list-type": "atomic"},
        ),
        "matchLabels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Labels that must be there with these values.",
        },
    },
    "A label selector; an empty one matches everything.",
    **{"x-kubernetes-map-type": "atomic"},
)

_CONDITION: Final[Schema] = _object(
    {
        "lastTransitionTime": _string("When it was looked at last.", format="date-time"),
        "message": _string("For people; empty while all is well.", maxLength=32768),
        "observedGeneration": _integer("The generation that it is about.", format="int64", minimum=0),
        "reason": _string(
            "For programs.",
            maxLength=1024,
            minLength=1,
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
        "status": _string("", enum=["True", "False", "Unknown"]),
        "type": _string(
            "",
            maxLength=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    },
    required=["lastTransitionTime", "message", "reason", "status", "type"],
)

_IMMUTABLE: Final = [{"message": "Value is immutable", "rule": "self == oldSelf"}]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `columns` are (name, type, JSON path, priority); a schema of None has no such part."""

    kind: str
    plural: str
    about: str
    spec: Schema | None
    status: Schema
    columns: Sequence[tuple[str, str, str, int]] = ()
    required: Sequence[str] = ()

    def definition(self) -> dict[str, Any]:
        """Return the CustomResourceDefinition object."""
        properties: dict[str, Schema] = {
            "apiVersion": _string("The schema's version."),
            "kind": _string("The kind of object."),
            "metadata": {"type": "object"},
        }
        if self.spec is not None:
            properties["spec"] = self.spec
        properties["status"] = self.status
        schema = _object(
            properties, self.about, **({"required": list(self.required)} if self.required else {})
        )
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                },
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": VERSION,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}},
                        **({"additionalPrinterColumns": self._columns()} if self.columns else {}),
                    }
                ],
            },
        }

    def _columns(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
            for name, kind, path, priority in self.columns
        ]


KINDS: Final = (
    Kind(
        "IPAddressPool",
        "ipaddresspools",
        "Addresses that may be given to services of type LoadBalancer.",
        _object(
            {
                "addresses": _list(_string(), "CIDRs, or ranges of two addresses with a dash between them."),
                "autoAssign": {
                    "type": "boolean",
                    "default": True,
                    "description": "Whether services that ask for nothing get addresses of this pool.",
                },
                "avoidBuggyIPs": {
                    "type": "boolean",
                    "default": False,
                    "description": "Whether IPv4 addresses that end in .0 and .255 are left out.",
                },
                "serviceAllocation": _object(
                    {
                        "namespaceSelectors": _list(_SELECTOR, "Namespaces by their labels; any may match."),
                        "namespaces": _list(_string(), "Namespaces by name."),
                        "priority": _integer("Lower is tried earlier; without one, last."),
                        "serviceSelectors": _list(_SELECTOR, "Services by their labels; any may match."),
                    },
                    "Which services may have addresses of this pool.",
                ),
            },
            required=["addresses"],
        ),
        _object(
            {
                name: _integer("", format="int64")
                for name in ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
            },
            required=["assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6"],
        ),
        (
            ("Auto Assign", "boolean", ".spec.autoAssign", 0),
            ("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs", 0),
            ("Addresses", "string", ".spec.addresses", 0),
        ),
        ("spec",),
    ),
    Kind(
        "L2Advertisement",
        "l2advertisements",
        "Lets nodes answer ARP and NDP for the addresses of pools.",
        _object(
            {
                "interfaces": _list(_string(), "Names of interfaces to announce on; none means all."),
                "ipAddressPoolSelectors": _list(_SELECTOR, "Pools by their labels."),
                "ipAddressPools": _list(_string(), "Pools by name; without any selection, all pools."),
                "nodeSelectors": _list(_SELECTOR, "Nodes that may announce; none means all."),
                "preferredNodeSelectors": _list(
                    _object(
                        {
                            "preference": _SELECTOR,
                            "weight": _integer("", format="int32", maximum=100, minimum=1),
                        },
                        required=["preference", "weight"],
                    ),
                    "Nodes that announce rather than others: weights of all that match add up.",
                ),
                "serviceSelectors": _list(_SELECTOR, "Services by their labels; none means all."),
            }
        ),
        {"type": "object"},
        (
            ("IPAddressPools", "string", ".spec.ipAddressPools", 0),
            ("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors", 0),
            ("Interfaces", "string", ".spec.interfaces", 0),
            ("Node Selectors", "string", ".spec.nodeSelectors", 10),
        ),
    ),
    Kind(
        "ServiceL2Status",
        "servicel2statuses",
        "Which node answers for a service at layer 2; written by that node's speaker.",
        {"type": "object"},
        _object(
            {
                "interfaces": _list(
                    _object({"name": _string("Name of the interface.")}),
                    "Where it is announced; empty for all interfaces.",
                ),
                "node": _string("The announcing node.", **{"x-kubernetes-validations": _IMMUTABLE}),
                "serviceName": _string("", **{"x-kubernetes-validations": _IMMUTABLE}),
                "serviceNamespace": _string("", **{"x-kubernetes-validations": _IMMUTABLE}),
            }
        ),
        (
            ("Allocated Node", "string", ".status.node", 0),
            ("Service Name", "string", ".status.serviceName", 0),
            ("Service Namespace", "string", ".status.serviceNamespace", 0),
        ),
    ),
    Kind(
        "ConfigurationState",
        "configurationstates",
        "Whether a component could use the configuration that it found.",
        None,
        _object(
            {
                "conditions": _list(
                    _CONDITION,
                    "",
                    **{"x-kubernetes-list-map-keys": ["type"], "x-kubernetes-list-type": "map"},
                ),
                "errorSummary": _string("All messages, one a line; empty when valid."),
                "result": _string("", enum=["Valid", "Invalid", "Unknown"]),
            }
        ),
        (
            ("Result", "string", ".status.result", 0),
            ("ErrorSummary", "string", ".status.errorSummary", 0),
            ("Age", "date", ".metadata.creationTimestamp", 0),
        ),
    ),
    Kind(
        "Community",
        "communities",
        "Names for BGP communities. Layer 2 has no use for them; a wrong one refuses the configuration.",
        _object(
            {
                "communities": _list(
                    _object(
                        {
                            "name": _string("Name of the alias."),
                            "value": _string("As in 64512:1234 or large:1:2:3."),
                        }
                    )
                )
            }
        ),
        {"type": "object"},
    ),
)


def definitions() -> list[dict[str, Any]]:
    """Return all CustomResourceDefinition objects."""
    return [kind.definition() for kind in KINDS]


class _Plain(yaml.SafeDumper):
    """Writes what is used twice twice: not all readers of manifests know anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for each in definitions():
        path = folder / f"{each['spec']['names']['plural']}.yaml"
        path.write_text(yaml.dump(each, Dumper=_Plain, sort_keys=False))


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
