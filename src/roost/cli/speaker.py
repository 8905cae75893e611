"""`roost speaker`: the process on every node."""

import logging
from pathlib import Path
from typing import Any, Literal

import click

from roost.cli.combinations import refuse_all_but
from roost.cli.exits import Exit, Failure
from roost.cli.kubernetes_speaker import announce_cluster, kubernetes_options, refuse_contradictions
from roost.cli.options import log_options
from roost.observe.logs import configure

__all__ = ["command"]

_log = logging.getLogger("roost.speaker")


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),  # its reader says more about what cannot be read
    envvar="ROOST_CONFIG",
    help="The configuration file; SIGHUP reads it again.",
)
@click.option("--kubernetes", is_flag=True, help="Announce the Services of a Kubernetes cluster instead.")
@kubernetes_options
@log_options
def command(
    path: Path | None,
    log_level: str,
    log_format: Literal["human", "json"],
    *,
    kubernetes: bool,
    **given: Any,
) -> None:
    """Announce service addresses from this node, in the foreground, logging to stderr.

    Services come from a file, or with --kubernetes from the API that KUBECONFIG or the pod's service account
    leads to; then MetalLB's own flags and METALLB_* variables are understood.

    SIGHUP reloads the file; an invalid one changes nothing. SIGTERM (or SIGINT) hands every address
    over and leaves; a second one leaves at once.

    Exit codes: 0 left as asked, 1 the configuration is invalid, 3 this machine lacks a right or a free
    port.
    """
    if kubernetes == (path is not None):
        raise click.UsageError("say where services come from: either --config FILE or --kubernetes")
    if path is not None:
        told = "with --config: the file says it, or it is of --kubernetes alone"
        refuse_all_but({"path", "log_level", "log_format"}, told)
    refuse_contradictions()
    configure(log_level, log_format)
    if path is None:
        announce_cluster(**given)
    else:
        _announce_file(path)


def _announce_file(path: Path) -> None:
    # Imported here so that a wrong option is reported before the whole speaker is loaded.
    from roost.runtime import signals  # noqa: PLC0415
    from roost.speaker.errors import CannotRunError  # noqa: PLC0415
    from roost.speaker.process import run  # noqa: PLC0415
    from roost.standalone.loader import load  # noqa: PLC0415

    loaded = load(path)
    if loaded.config is None:
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        raise Failure(f"{path} is invalid; nothing was started", Exit.INVALID)
    for problem in loaded.problems:
        _log.warning("%s", problem)
    try:
        signals.run(run(path, loaded.config))
    except CannotRunError as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error
