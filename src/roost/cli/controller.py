"""`roost controller`: the cluster's process that gives addresses to Services."""

import asyncio
import socket
from pathlib import Path
from typing import Literal
from uuid import uuid4

import click

from roost.cli.combinations import refuse_beside
from roost.cli.exits import Exit, Failure
from roost.cli.metallb_options import accepted, metrics_options, switch
from roost.cli.options import log_options, metallb_metrics_option, pod_name_option
from roost.observe.logs import configure

__all__ = ["command"]


@click.command()
@click.option(
    "--namespace", envvar="METALLB_NAMESPACE", help="Where the configuration is. Default: the pod's own."
)
@click.option("--lb-class", "load_balancer_class", default="", help="Handle only this loadBalancerClass.")
@click.option("--quarantine", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Seconds before a released address goes to another service.")  # fmt: skip
@click.option("--finalizer/--no-finalizer", default=True, show_default=True,
              help="Keep a deleted Service until its address is released.")  # fmt: skip
@click.option("--leader-elect/--no-leader-elect", "elect", default=True, show_default=True,
              help="Let one of several replicas work, by a Lease.")  # fmt: skip
@switch(
    "--spread", "Let Services prefer nodes so that each leads about as many; not beside MetalLB speakers."
)
@click.option("--remove-finalizers", is_flag=True,
              help="Take Roost's finalizers off all Services, and end.")  # fmt: skip
@pod_name_option
@click.option("--ml-secret-name", envvar="METALLB_ML_SECRET_NAME", default="",
              help="Secret to make for the speakers' gossip.")  # fmt: skip
@click.option("--deployment", envvar="METALLB_DEPLOYMENT", default="", help="Owner of that Secret.")
@click.option("--port", "metrics_port", type=int, default=9120, show_default=True,
              help="TCP port for metrics, 0 for none.")  # fmt: skip
@click.option("--health-probe-port", "health_port", type=int, default=17472, show_default=True,
              help="TCP port for /healthz, /readyz and /metrics, 0 for none.")  # fmt: skip
@metallb_metrics_option
@click.option("--webhook-mode", "webhook", default="enabled", show_default=True,
              type=click.Choice(["enabled", "disabled", "onlywebhook"]),
              help="Whether changes of the configuration are checked when they are made.")  # fmt: skip
@click.option("--webhook-port", type=int, default=9443, show_default=True)
@click.option("--cert-dir", "certificate_folder", default="", help="Where the webhook's certificates are.")
@click.option("--cert-service-name", "certificate_service", default="metallb-webhook-service",
              show_default=True)  # fmt: skip
@click.option("--webhook-secret", "certificate_secret", default="metallb-webhook-cert", show_default=True)
@switch("--disable-cert-rotation", "Leave the webhook's certificates to somebody else.")
@log_options
@metrics_options
@accepted("--webhook-http2", "--pprof-bind-address", "--tls-cipher-suites", "--tls-curve-preferences")
def command(
    namespace: str | None,
    log_level: str,
    log_format: Literal["human", "json"],
    pod_name: str,
    ml_secret_name: str,
    *,
    metrics: str,
    metrics_folder: Path | None,
    tls_min_version: str,
    metallb_metrics: bool,
    remove_finalizers: bool,
    disable_cert_rotation: bool,
    **given: object,
) -> None:
    """Give addresses of IPAddressPools to Services of type LoadBalancer.

    Takes KUBECONFIG, or the pod's service account. MetalLB's own flags are taken; those without a meaning
    here are named in the log.

    Exit codes: 0 ended as asked, 3 cannot run.
    """
    if given["webhook"] == "onlywebhook":
        refuse_beside({"spread", "quarantine"}, "with --webhook-mode onlywebhook: no address is given")
    configure(log_level, log_format)
    # Imported here so that a wrong option is reported before everything is loaded.
    from roost.controller.process import CannotServeError, run  # noqa: PLC0415
    from roost.controller.settings import ControllerSettings  # noqa: PLC0415
    from roost.kubernetes.client import ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import CredentialsError, find  # noqa: PLC0415
    from roost.kubernetes.serving_certificate import MetricsOptions  # noqa: PLC0415

    try:
        credentials = find()
        if remove_finalizers:
            from roost.controller.finalizers import remove_all  # noqa: PLC0415

            click.echo(f"{asyncio.run(remove_all(credentials))} finalizers removed")
            return
        where = namespace or credentials.namespace or "metallb-system"
        settings = ControllerSettings(
            namespace=where,
            identity=pod_name or f"{socket.gethostname()}_{uuid4().hex[:8]}",
            metallb_names=metallb_metrics,
            gossip_secret=ml_secret_name,
            rotate_certificates=not disable_cert_rotation,
            pod=pod_name,
            metrics=MetricsOptions(metrics == "https", metrics_folder, tls_min_version == "VersionTLS12"),
            **given,  # type: ignore[arg-type]  # click has checked each by its option
        )
        asyncio.run(run(credentials, settings))
    except (ApiError, CredentialsError, CannotServeError) as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error
