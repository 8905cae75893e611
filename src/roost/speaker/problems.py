"""What is wrong as this node sees it: one line each, with the cure, first of all that people are shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from roost.decide.claims import claimant
from roost.model.address import canonical
from roost.model.node import Verdict
from roost.speaker.speaker import Speaker

__all__ = ["Problem", "problems"]

_RENAME: Final = "give one of them another (`node:`, or --node-name), and start it again"
_LATELY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is a word that programs may rely on, `text` one line for people."""

    kind: str
    text: str


def problems(speaker: Speaker, now: float) -> tuple[Problem, ...]:
    """Return all problems, what concerns the whole node first."""
    return (
        *_of_the_source(speaker),
        *_of_names(speaker, now),
        *_of_gossip(speaker),
        *_on_the_lan(speaker, now),
    )


def _of_the_source(speaker: Speaker) -> Iterator[Problem]:
    if speaker.waiting_for:
        yield Problem("waiting", f"waiting for {speaker.waiting_for}")
    if speaker.config_error:
        yield Problem(
            "stale configuration", f"the last good configuration stays in force: {speaker.config_error}"
        )
    for text in speaker.source.trouble:
        yield Problem("source", text)


def _of_names(speaker: Speaker, now: float) -> Iterator[Problem]:
    namesakes = speaker.decider.state.namesakes.known(now)
    for endpoint in namesakes:
        text = f"the host at {endpoint} has the name {speaker.name}, too, so one of both answers: {_RENAME}"
        yield Problem("same name", text)
    if namesakes:
        return
    for record in speaker.faults.records:
        if record.kind == "name-conflict" and datetime.now(UTC) - record.last < _LATELY:
            yield Problem("same name", f"two hosts have one name: {record.detail}: {_RENAME}")


def _of_gossip(speaker: Speaker) -> Iterator[Problem]:
    state = speaker.decider.state
    if state.settling.settled and state.never_gossiped:
        yield Problem("no gossip", f"gossip has never reached anybody: {_why_nobody(speaker)}")
    if state.isolation.unplugged:
        yield Problem("no carrier", "the link that carries gossip has no carrier")
    if state.isolation.cut_off:
        yield Problem("cut off", "nobody is heard on the LAN: this node takes over nothing")
    for member in speaker.cluster.members():
        if member.name == speaker.name or member.verdict is Verdict.LEAVING:
            continue  # who left on purpose is missed by nobody
        if not member.verdict.active:
            yield Problem("lost member", f"{member.name} is {member.verdict.value}: {member.evidence}")
        elif member.metadata.version and member.metadata.digest not in ("", state.desired.digest):
            yield Problem("other services", f"{member.name} wants other services than this node")


def _why_nobody(speaker: Speaker) -> str:
    """Return the likeliest reason: packets that no key opens, else what the last attempt met."""
    faults = {record.kind: record for record in speaker.faults.records}
    for kind in ("bad-packet", "stream"):
        if (record := faults.get(kind)) is not None:
            return (
                f"packets from {record.source} are not understood ({record.detail}); compare keys and labels"
            )
    if (record := faults.get("exchange-failed")) is not None:
        return f"{record.source} does not answer ({record.detail}); look for a firewall on the gossip port"
    return "no configured peer answers; look for a firewall on the gossip port"


def _on_the_lan(speaker: Speaker, now: float) -> Iterator[Problem]:
    decider = speaker.decider
    for address in sorted(decider.state.yielding.addresses, key=str):
        yield Problem("yielded", f"{canonical(address)}: {decider.why(address)}")
    for alarm in decider.alarms(now):
        where = f"{alarm.mac.hex(':')} on {alarm.interface}"
        text = f"{canonical(alarm.address)} is claimed by {claimant(alarm.peer)} at {where}"
        yield Problem(f"claimed by a {alarm.kind}", text)
    if speaker.passing_on.problem and speaker.source.delivers_locally:  # else an option that is off
        yield Problem("not passing on", speaker.passing_on.problem)
    for address, reason in decider.state.delivery.refused.items():
        yield Problem("undeliverable", f"{canonical(address)}: {reason}")
    for complaint in speaker.complaints:
        if complaint.severity == "error":
            yield Problem("refused", str(complaint))
