"""Options that several commands share."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from roost.cli.metallb_options import log_level, switch

__all__ = ["log_options", "metallb_metrics_option", "pod_name_option", "profile_option"]

Function = TypeVar("Function", bound=Callable[..., Any])

metallb_metrics_option = switch("--metallb-metrics", "Show metrics under MetalLB's names, too.")
pod_name_option = click.option("--pod-name", envvar="METALLB_POD_NAME", default="", help="This pod's name.")


def profile_option(
    profiles: Iterable[str] = ("lan", "default", "fast"), envvar: str | None = None
) -> Callable[[Function], Function]:
    """Return the option `--profile` for one of `profiles`, which `envvar` may give, too."""
    return click.option(
        "--profile",
        type=click.Choice(list(profiles)),
        envvar=envvar,
        default="default",
        show_default=True,
        help="How quickly a lost node is noticed.",
    )


def log_options(function: Function) -> Function:
    """Give a command the options of what it logs, and how."""
    style = click.option(
        "--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True
    )
    return click.option("--log-level", type=log_level, default="info", show_default=True)(style(function))
