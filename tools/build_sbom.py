"""Write a bill of materials, CycloneDX 1.5 in JSON, of Roost and the dependencies in requirements/run.lock.

usage: tools/build_sbom.py [FILE]      (default: stdout)

Licences and who needs whom are read from what is installed. The same lock gives the same bytes: where set,
the time is SOURCE_DATE_EPOCH, and the serial number follows from the content (https://cyclonedx.org/docs/1.5/json/).
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from roost import __version__

_ROOT: Final = Path(__file__).parents[1]
_BUILDS_ONLY: Final = ("flit-core",)  # in the lock for the install step, not in what is installed
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
_OWN: Final = f"pkg:pypi/roost@{__version__}"


def _main() -> None:
    text = json.dumps(_bill(), indent=2, ensure_ascii=False) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, "utf-8")
    else:
        sys.stdout.write(text)


def _bill() -> dict[str, Any]:
    components = list(_components((_ROOT / "requirements" / "run.lock").read_text()))
    urls = {each["name"]: each["purl"] for each in components}
    needs = [
        {"ref": ref, "dependsOn": sorted(urls[each] for each in _needs(name) if each in urls)}
        for name, ref in (("roost", _OWN), *urls.items())
    ]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, _OWN + json.dumps(components))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": _moment(),
            "component": {
                "type": "application",
                "bom-ref": _OWN,
                "name": "roost",
                "version": __version__,
                "purl": _OWN,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": needs,
    }


def _components(lock: str) -> Iterator[dict[str, Any]]:
    found = list(_REQUIREMENT.finditer(lock))
    for this, after in zip(found, [*found[1:], None], strict=True):
        name, version = _normal(this[1]), this[2]
        if name in _BUILDS_ONLY:
            continue
        url = f"pkg:pypi/{name}@{version}"
        hashes = re.findall(r"sha256:([0-9a-f]{64})", lock[this.end() : after.start() if after else None])
        yield {
            "type": "library",
            "bom-ref": url,
            "name": name,
            "version": version,
            "purl": url,
            **_licences(name),
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"https://pypi.org/project/{name}/{version}/",
                    "comment": "the hashes are of the files that the lock allows, one for each platform",
                    "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
                }
            ],
        }


def _licences(name: str) -> dict[str, Any]:
    """Return an SPDX expression, or the licence's name as the package has it."""
    try:
        about = distribution(name).metadata
    except PackageNotFoundError:
        return {}
    if expression := about.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    said = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier", [])
        if each.startswith("License ::")
    ]
    plain = (about.get("License") or "").strip().partition("\n")[0]
    told = said or ([plain] if plain else [])
    return {"licenses": [{"license": {"name": each}} for each in told]} if told else {}


def _needs(name: str) -> set[str]:
    """Return the names of what a package requires, whatever the platform; not of its extras."""
    try:
        required = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    names = (re.match(r"[A-Za-z0-9._-]+", each) for each in required if "extra ==" not in each)
    return {_normal(each[0]) for each in names if each}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _moment() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)
    return when.isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    _main()
