"""Options as MetalLB's manifests write them: Go's flags, some of which mean nothing here."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from roost.observe.logs import LEVELS

__all__ = ["accepted", "log_level", "metrics_options", "switch"]

_log = logging.getLogger("roost")

Function = TypeVar("Function", bound=Callable[..., Any])


class _Level(click.Choice[str]):
    """A log level by our names, or by MetalLB's."""

    def __init__(self) -> None:
        super().__init__([*LEVELS, "all", "warn", "none"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = str(super().convert(value, param, ctx))
        return {"all": "debug", "warn": "warning", "none": "error"}.get(found, found)


log_level = _Level()


def switch(name: str, about: str) -> Callable[[Function], Function]:
    """Return an option that is on as `--name` and as `--name=true`, off as `--name=false`."""
    return click.option(
        name, type=bool, is_flag=False, flag_value=True, default=False, show_default=True, help=about
    )


def accepted(*names: str) -> Callable[[Function], Function]:
    """Return options that are taken and ignored; each that is given is named in the log once."""

    def ignored(ctx: click.Context, parameter: click.Parameter, value: object) -> None:  # noqa: ARG001
        if value is not None:
            _log.warning("%s has no meaning here and is ignored", parameter.opts[0])

    def decorate(function: Function) -> Function:
        for name in names:
            option = click.option(
                name, is_flag=False, flag_value="true", hidden=True, expose_value=False, callback=ignored
            )
            function = option(function)
        return function

    return decorate


def metrics_options(function: Function) -> Function:
    """Give a command the options of how metrics are served."""
    versions = click.Choice(["", "VersionTLS12", "VersionTLS13"])
    options = (
        click.option(
            "--metrics",
            type=click.Choice(["http", "https"]),
            envvar="ROOST_METRICS",
            default="http",
            show_default=True,
            help="How --port serves metrics; https takes a token that may GET /metrics, as MetalLB does.",
        ),
        click.option(
            "--metrics-cert-dir",
            "metrics_folder",
            type=click.Path(path_type=Path),
            help="Folder with tls.crt and tls.key for that. Default: a certificate of its own.",
        ),
        click.option(
            "--tls-min-version", type=versions, default="", help="Least TLS version there. Default: 1.3."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
