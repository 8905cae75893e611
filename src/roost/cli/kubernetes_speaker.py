"""`roost speaker --kubernetes`: its options, as MetalLB's DaemonSet gives them, and what they come to."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from roost.cli.combinations import refuse_beside
from roost.cli.exits import Exit, Failure
from roost.cli.metallb_options import accepted, metrics_options, switch
from roost.cli.options import metallb_metrics_option, pod_name_option, profile_option

if TYPE_CHECKING:
    from roost.protocols.memberlist.profile import Profile
    from roost.settings import MembershipConfig, SpeakerSettings

__all__ = ["announce_cluster", "kubernetes_options", "refuse_contradictions"]

Function = TypeVar("Function", bound=Callable[..., Any])

_EXCLUDED: Final = Path("/etc/metallb/excludel2.yaml")
_LONGEST_INTERVAL: Final = 2**31 - 1  # seconds; as MetalLB


def _failback(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    from roost.model.tenure import failback_of  # noqa: PLC0415 - as the others below

    seconds = failback_of(value)
    if seconds is None:
        raise click.BadParameter(f"{value!r} is neither always, never nor a duration up to a day such as 30s")
    return seconds


_OPTIONS: Final = (
    click.option("--node-name", envvar=["METALLB_NODE_NAME", "NODE_NAME"], help="This node's name."),
    click.option("--namespace", envvar="METALLB_NAMESPACE", help="Where the configuration is."),
    click.option("--ml-bindaddr", envvar="METALLB_ML_BIND_ADDR", default="", help="Address to gossip at."),
    click.option("--ml-bindport", envvar="METALLB_ML_BIND_PORT", type=int, default=7946, show_default=True),
    click.option("--ml-labels", envvar="METALLB_ML_LABELS", default="", help="Labels of the speakers' pods."),
    click.option(
        "--ml-secret-key-path",
        envvar="METALLB_ML_SECRET_KEY_PATH",
        type=click.Path(path_type=Path),
        help="Folder with the gossip secret.",
    ),
    switch("--ml-wan-config", "Gossip with memberlist's timers for wide areas."),
    profile_option(envvar="ROOST_PROFILE"),
    click.option(
        "--arp-rate",
        type=click.IntRange(min=0),
        envvar="ROOST_ARP_RATE",
        default=0,
        show_default=True,
        help="Most ARP packets per second that probing may cost this node's port, 0 for no limit.",
    ),
    click.option(
        "--responder",
        type=click.Choice(["auto", "tcx", "clsact", "packet"]),
        envvar="ROOST_RESPONDER",
        default="auto",
        show_default=True,
        help="What answers ARP and ND: the kernel at tc's hooks, this process, or the best of them.",
    ),
    click.option("--lb-class", default="", help="Handle only this loadBalancerClass."),
    switch(
        "--only-on-subnet",
        "Let only nodes announce an address that have a link in its subnet; on all speakers.",
    ),
    click.option(
        "--failback",
        envvar="ROOST_FAILBACK",
        default="always",
        show_default=True,
        callback=_failback,
        help="When an address goes back to a better-ranked node: always, never, or once that was well for so"
        " long, such as 30s; the same on all speakers. A Service's annotation roost.io/failback goes before.",
    ),
    switch("--answer-ping", "Answer pings of the addresses that this node announces."),
    click.option(
        "--gratuitous-arp-interval",
        type=click.IntRange(min=0, max=_LONGEST_INTERVAL),
        envvar="METALLB_GRATUITOUS_ARP_INTERVAL",
        default=0,
        show_default=True,
        help="Seconds between gratuitous ARP and unsolicited ND of what is announced, 0 for none.",
    ),
    switch("--ignore-exclude-lb", "Announce from nodes labelled out of load balancing, too."),
    pod_name_option,
    click.option(
        "--port",
        type=int,
        default=9120,
        show_default=True,
        help="TCP port for metrics and status, 0 for none.",
    ),
    metallb_metrics_option,
    click.option(
        "--health-probe-port",
        type=int,
        default=17472,
        show_default=True,
        help="Port on 127.0.0.1, 0 for none.",
    ),
    click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path),
        envvar="ROOST_SOCKET",
        help="Where the commands ask. Default: /run/roost/NODE.sock.",
    ),
    click.option(
        "--termination-grace",
        type=click.FloatRange(min=0),
        default=10.0,
        show_default=True,
        help="Seconds after SIGTERM in which addresses are handed over.",
    ),
    click.option(
        "--keep-connections",
        type=click.FloatRange(min=0, max=86400),
        default=600.0,
        show_default=True,
        help="Seconds after a move in which open connections are passed on; 0 for not at all.",
    ),
    metrics_options,
    accepted(
        "--host",
        "--bgp-debounce-timeout",
        "--frrk8s-namespace",
        "--frrk8s-secret-passthrough",
        "--pprof-bind-address",
        "--tls-cipher-suites",
        "--tls-curve-preferences",
    ),
)


def kubernetes_options(function: Function) -> Function:
    """Give a command the options of a speaker on Kubernetes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def refuse_contradictions() -> None:
    """End the command when options on the command line exclude each other, or would do nothing."""
    options = click.get_current_context().params
    if options["ml_wan_config"]:
        refuse_beside({"profile"}, "with --ml-wan-config, which is memberlist's profile for wide areas")
    if options["ml_wan_config"] or options["profile"] == "lan":
        refuse_beside({"arp_rate"}, "with memberlist's own timers: nobody probes by ARP then")
    if not (options["ml_bindaddr"] and options["ml_labels"]):
        gossip = {"profile", "arp_rate", "failback", "ml_wan_config", "ml_bindport", "ml_secret_key_path"}
        needs = "without --ml-bindaddr and --ml-labels (or METALLB_ML_BIND_ADDR and METALLB_ML_LABELS)"
        refuse_beside(gossip, f"{needs}: speakers do not gossip then")


def announce_cluster(
    *,
    node_name: str | None,
    namespace: str | None,
    ml_labels: str,
    lb_class: str,
    pod_name: str,
    ignore_exclude_lb: bool,
    metrics: str,
    metrics_folder: Path | None,
    tls_min_version: str,
    **given: Any,
) -> None:
    """Run the speaker; ends the command with one line when it cannot."""
    from roost.kubernetes.credentials import CredentialsError, find  # noqa: PLC0415 - see the caller
    from roost.kubernetes.gossip import SecretError  # noqa: PLC0415
    from roost.kubernetes.serving_certificate import MetricsOptions  # noqa: PLC0415
    from roost.runtime import signals  # noqa: PLC0415
    from roost.speaker.errors import CannotRunError  # noqa: PLC0415
    from roost.speaker.on_kubernetes import KubernetesOptions, run  # noqa: PLC0415

    if not node_name:
        raise click.UsageError("--kubernetes needs --node-name (or METALLB_NODE_NAME)")
    try:
        credentials = find()
        options = KubernetesOptions(
            namespace or credentials.namespace or "metallb-system",
            ml_labels,
            lb_class,
            ignore_exclude_lb,
            pod_name,
            MetricsOptions(metrics == "https", metrics_folder, tls_min_version == "VersionTLS12"),
        )
        settings = _settings(node_name, gossips=bool(ml_labels), **given)
        signals.run(run(credentials, settings, options))
    except (CredentialsError, SecretError, CannotRunError) as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error


def _settings(
    node: str,
    *,
    socket_path: Path | None,
    port: int,
    health_probe_port: int,
    termination_grace: float,
    keep_connections: float,
    responder: str,
    gossips: bool,
    metallb_metrics: bool,
    only_on_subnet: bool,
    answer_ping: bool,
    failback: float,
    gratuitous_arp_interval: int,
    ml_bindaddr: str,
    **gossip: Any,
) -> "SpeakerSettings":
    from roost.protocols.machine import Endpoint  # noqa: PLC0415
    from roost.runtime.run_folder import default_socket  # noqa: PLC0415
    from roost.settings import AnnounceConfig, SpeakerSettings, StatusConfig  # noqa: PLC0415

    return SpeakerSettings(
        node=node,
        labels={},
        interfaces=_interfaces(),
        membership=_membership(ml_bindaddr, **gossip) if gossips and ml_bindaddr else None,
        status=StatusConfig(
            socket_path or default_socket(node),
            Endpoint("0.0.0.0", port) if port else None,  # noqa: S104 - Prometheus asks from outside
            Endpoint("127.0.0.1", health_probe_port) if health_probe_port else None,
            required=False,
        ),
        announce=AnnounceConfig(
            gratuitous_refresh=float(gratuitous_arp_interval) or None, responder=responder
        ),
        termination_grace=termination_grace,
        keep_connections=keep_connections,
        metallb_metrics=metallb_metrics,
        only_on_subnet=only_on_subnet,
        answer_ping=answer_ping,
        failback=failback,
    )


def _membership(
    host: str,
    *,
    ml_bindport: int,
    ml_secret_key_path: Path | None,
    ml_wan_config: bool,
    profile: str,
    arp_rate: int,
) -> "MembershipConfig":
    from roost.kubernetes.gossip import derive_key, read_secret  # noqa: PLC0415
    from roost.protocols.machine import Endpoint  # noqa: PLC0415
    from roost.settings import MembershipConfig  # noqa: PLC0415

    if ml_secret_key_path is None:
        click.echo("gossip is not encrypted: METALLB_ML_SECRET_KEY_PATH is not set", err=True)
    timers = _timers("lan" if ml_wan_config else profile)
    if timers is not None:
        ml_wan_config = False  # as MetalLB: the file says it all
    here = Endpoint(host, ml_bindport)
    return MembershipConfig(
        here,
        here,
        keys=() if ml_secret_key_path is None else (derive_key(read_secret(ml_secret_key_path)),),
        profile="wan" if ml_wan_config else profile,
        arp_rate=float(arp_rate) or None,
        timers=timers,
    )


def _timers(profile: str) -> "Profile | None":
    """Return gossip's timers from the mounted file, if there is one."""
    from roost.kubernetes.memberlist_config import TIMERS, TimersError, read_timers  # noqa: PLC0415
    from roost.protocols.memberlist.profile import PROFILES  # noqa: PLC0415

    path = Path(os.environ.get("ROOST_MEMBERLIST_FILE", TIMERS))
    try:
        found = read_timers(PROFILES[profile], path)
    except TimersError as error:
        raise Failure(str(error), Exit.INVALID) from error
    if found is not None:
        click.echo(f"gossip's timers are those of {path}", err=True)
    return found


def _interfaces() -> tuple[str, ...] | None:
    """Return what interfaces may announce: all but those that the mounted file excludes."""
    folder = Path(os.environ.get("ROOST_EXCLUDE_FILE", _EXCLUDED))
    if not folder.exists():
        return None
    from roost.kubernetes.documents import only_document  # noqa: PLC0415

    try:
        patterns = (only_document(folder.read_text()) or {}).get("announcedInterfacesToExclude") or []
        joined = "|".join(f"(?:{re.compile(str(each)).pattern})" for each in patterns)
    except (OSError, ValueError, AttributeError, TypeError, OverflowError, RecursionError, re.error) as error:
        raise Failure(f"{folder} cannot be used: {error}", Exit.INVALID) from error
    return (f"(?!.*?(?:{joined})).*",) if joined else None
