"""By which names a server may be asked: somebody else's page in a browser is not to read what is here.

An attacker's name can be made to lead here (DNS rebinding); the browser then takes what is here for the
attacker's own. An address cannot, and a program that is no browser does not run what it finds.
"""

import json
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from roost.model.address import is_address
from roost.runtime.http import Handler, Request, Response, Stream

__all__ = ["is_ours", "only_by"]

_LOCAL: Final = "localhost"
_FOR_PROGRAMS: Final = frozenset({"/metrics", "/healthz", "/readyz"})  # which may know us by any name


def is_ours(told: str, names: Collection[str]) -> bool:
    """Tell whether a client that believes to ask the host `told` means a server with these `names`."""
    try:
        name = urlsplit(f"//{told}").hostname or ""
    except ValueError:
        return False
    return is_address(name) or name == _LOCAL or name in {each.lower() for each in names}


def only_by(names: Collection[str], handler: Handler) -> Handler:
    """Return `handler`; who asks by anything but an address or one of `names` does not come to it."""

    async def guarded(request: Request) -> Response | Stream:
        if not request.host or request.path in _FOR_PROGRAMS or is_ours(request.host, names):
            return await handler(request)
        error = f"this is not {request.host[:80]}: ask by address, or add the name to status.names"
        return Response(421, json.dumps({"error": error}).encode())

    return guarded
