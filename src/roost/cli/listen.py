"""ADDRESS:PORT on a command line."""

import errno
import os

import click

from roost.cli.exits import Exit, Failure
from roost.protocols.machine import Endpoint

__all__ = ["Listen", "cannot_listen"]

_LAST = 65535


class Listen(click.ParamType[Endpoint]):
    """An address, or `localhost`, and a port; IPv6 in brackets. `:PORT` is one on the loopback address."""

    name = "address:port"

    def convert(
        self, value: str | Endpoint, param: click.Parameter | None, ctx: click.Context | None
    ) -> Endpoint:
        """Return the endpoint."""
        if isinstance(value, Endpoint):
            return value
        host, _, port = value.rpartition(":")
        if not port.isascii() or not port.isdigit() or int(port) > _LAST:
            self.fail(f"{value!r} is no ADDRESS:PORT, such as 127.0.0.1:7480", param, ctx)
        return Endpoint(host.strip("[]") or "127.0.0.1", int(port))


def cannot_listen(where: Endpoint, error: OSError, option: str) -> Failure:
    """Return what ends a command that cannot listen there; `option` is where another place is given."""
    number = error.errno or 0
    why = os.strerror(number) if number in errno.errorcode else error.strerror or str(error)
    return Failure(f"cannot listen on {where}: {why}; choose another with {option}", Exit.CANNOT_RUN)
