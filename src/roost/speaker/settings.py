"""From what a speaker is told at its start to what its decider has to know."""

from collections.abc import Sequence
from dataclasses import replace

from roost.decide.join_target import JoinTarget, parse_target
from roost.decide.settings import DeciderSettings
from roost.protocols.witness.timing import TIMINGS
from roost.settings import SpeakerSettings

__all__ = ["decider_settings"]


def decider_settings(config: SpeakerSettings, join: Sequence[JoinTarget] | None = None) -> DeciderSettings:
    """Return the decider's part of `config`; `join` stands in for its join targets."""
    membership = config.membership
    settings = DeciderSettings(
        node=config.node,
        interfaces=config.interfaces,
        labels=config.labels,
        gratuitous_rate=config.announce.gratuitous_rate,
        gratuitous_refresh=config.announce.gratuitous_refresh,
        only_on_subnet=config.only_on_subnet,
        keep_connections=config.keep_connections,
    )
    if membership is None:
        return settings
    targets = [parse_target(str(target)) for target in membership.join] if join is None else join
    return replace(
        settings,
        bind=membership.bind,
        join=tuple(targets),
        timing=TIMINGS.get(membership.profile),
        arp_rate=membership.arp_rate,
        settle_time=membership.gossip.settle_time,
        rejoin_interval=membership.gossip.rejoin_interval,
    )
