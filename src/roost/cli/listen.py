"""ADDRESS:PORT on a command line."""

import click

from roost.protocols.machine import Endpoint

__all__ = ["Listen"]

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
