"""The judgement over one run, as data and as text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bench.soak.figures import Done, Span, counted, distribution, doubles, pauses, silences, well

__all__ = ["DOUBLE", "SILENT", "Seen", "judge", "text"]

SILENT: Final = 0.5  # seconds, the most that is allowed
DOUBLE: Final = 1.0
_LAST: Final = 6  # faults that are told before something bad


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watcher and the client wrote, and what the driver did; seconds since the epoch.

    `arp` is address -> requests and answers, `pings` address -> (sent, who answered, "" nobody).
    """

    arp: Mapping[str, Any]
    pings: Mapping[str, tuple[Sequence[float], Sequence[str]]]
    record: Sequence[Done]
    macs: Mapping[str, str]  # to the names of nodes
    begin: float
    interval: float


def judge(seen: Seen) -> dict[str, Any]:
    """Return the distributions and what passed the limits."""
    whole = Span(
        seen.begin, max((each["requests"][-1] for each in seen.arp.values() if each["requests"]), default=0)
    )
    wells = {node: well(node, seen.record, whole) for node in sorted(set(seen.macs.values()))}
    silent: list[dict[str, Any]] = []
    double: list[dict[str, Any]] = []
    pinged: list[float] = []
    late: list[Span] = []
    for vip, arp in seen.arp.items():
        requests = [when for when in arp["requests"] if when >= seen.begin]
        answers = [(when, mac) for when, mac in sorted(arp["answers"]) if when >= seen.begin]
        paused = pauses(requests, seen.interval)
        late += paused
        for span in silences(requests, [when for when, _ in answers]):
            seconds = counted(span, wells.values(), paused)
            silent.append(_case(seen, vip, span, seconds) | _around(seen, answers, span, wells))
        for each in doubles(requests, answers):
            names = sorted(seen.macs.get(mac, mac) for mac in each.macs)
            case = _case(seen, vip, each.span, each.span.length)
            double.append(case | {"nodes": names, "requests": each.requests})
        pinged += _pinged(seen, vip, wells)
    counted_silences = [case["seconds"] for case in silent if case["seconds"] > 0]
    bad_silent = [case for case in silent if case["seconds"] > SILENT]
    bad_double = [case for case in double if case["seconds"] > DOUBLE]
    crashes = [done for done in seen.record if done.fault == "crash"]
    return {
        "seconds": round(whole.length, 1),
        "addresses": len(seen.arp),
        "silence": distribution(counted_silences),
        "two_answers": distribution(case["seconds"] for case in double),
        "ping_outage": distribution(pinged),
        "uncounted_silences": sum(case["whole"] > SILENT >= case["seconds"] for case in silent),
        "watcher_late": {
            "count": len(late),
            "longest": round(max((span.length for span in late), default=0.0), 3),
        },
        "crashes": [f"{done.node} at {done.span.begin - seen.begin:.2f}" for done in crashes],
        "silent": sorted(bad_silent, key=lambda case: -case["seconds"]),
        "double": sorted(bad_double, key=lambda case: -case["seconds"]),
        "record": [_done(seen, done) for done in sorted(seen.record, key=lambda done: done.span)],
        "failed": bool(bad_silent or bad_double),
    }


def text(result: Mapping[str, Any]) -> str:
    """Return the lines for people."""
    late = result["watcher_late"]
    head = [
        f"{result['who']}, "
        + (f"schedule {result['schedule']}" if result["schedule"] else f"seed {result['seed']}")
        + f": {result['seconds']:g} s, {result['addresses']} addresses, {result['faults']} faults "
        f"({result['skipped']} did not apply), load {result['load'][0]:g} to {result['load'][1]:g}, "
        f"watcher late {late['count']} times, at most {late['longest']:g} s",
        *(f"crashed: {crash}" for crash in result["crashes"]),
        f"{'':12} {'count':>6} {'>0.3':>5} {'>0.5':>5} {'>1.0':>5} {'p50':>6} {'p99':>6} {'longest':>8}",
    ]
    for key in ("silence", "two_answers", "ping_outage"):
        row = result[key]
        head.append(
            f"{key:12} {row['count']:6} {row['over_0.3']:5} {row['over_0.5']:5} {row['over_1']:5} "
            f"{row['p50']:6.3f} {row['p99']:6.3f} {row['longest']:8.3f}"
        )
    head.append(f"silences over {SILENT:g} s that nobody could avoid: {result['uncounted_silences']}")
    for case in result["silent"]:
        head += [
            f"\n{case['vip']} silent for {case['seconds']:.2f} s from {case['at']:.2f} s on "
            f"({case['clock']}), {case['whole']:.2f} s in all; before {case['before']}, "
            f"after {case['after']}; well: {', '.join(case['well']) or 'nobody all along'}",
            *_told(case),
        ]
    for case in result["double"]:
        head += [
            f"\n{case['vip']} answered twice for {case['seconds']:.2f} s from {case['at']:.2f} s on "
            f"({case['clock']}) by {' and '.join(case['nodes'])}, {case['requests']} requests",
            *_told(case),
        ]
    return "\n".join(head)


def _case(seen: Seen, vip: str, span: Span, seconds: float) -> dict[str, Any]:
    return {
        "vip": vip,
        "at": round(span.begin - seen.begin, 3),
        "clock": datetime.fromtimestamp(span.begin, UTC).isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "whole": round(span.length, 3),
        "under_way": [_named(done) for done in seen.record if done.span.begin < span.begin < done.span.end],
        "faults": _before(seen, span),
    }


def _around(
    seen: Seen, answers: Iterable[tuple[float, str]], span: Span, wells: Mapping[str, Sequence[Span]]
) -> dict[str, Any]:
    """Who answered last before a silence and first after it, and who was well all along."""
    before = after = "nobody"
    for when, mac in answers:
        if when >= span.end:
            after = seen.macs.get(mac, mac)
            break
        before = seen.macs.get(mac, mac)
    all_along = [
        node
        for node, spans in wells.items()
        if any(span.overlap(each).length >= span.length for each in spans)
    ]
    return {"before": before, "after": after, "well": all_along}


def _pinged(seen: Seen, vip: str, wells: Mapping[str, Sequence[Span]]) -> Iterable[float]:
    sent, who = seen.pings.get(vip, ((), ()))
    pings = [(when, name) for when, name in zip(sent, who, strict=True) if when >= seen.begin]
    times = [when for when, _ in pings]
    for span in silences(times, [when for when, name in pings if name]):
        if (seconds := counted(span, wells.values(), pauses(times, seen.interval))) > 0:
            yield seconds


def _before(seen: Seen, span: Span) -> list[dict[str, Any]]:
    """Return the last faults' begins and ends before the end of `span`, relative to its begin."""
    found = [
        (when, f"{_named(done)} {word}")
        for done in seen.record
        for when, word in (
            (done.span.begin, "begins"),
            (done.span.end, "started again" if done.fault in ("kill", "term", "crash") else "ends"),
        )
        if when < span.end
    ]
    return [
        {"relative": round(when - span.begin, 3), "what": what} for when, what in sorted(found)[-2 * _LAST :]
    ]


def _named(done: Done) -> str:
    return f"{done.fault} {done.node}" + (f" ({done.note})" if done.note else "")


def _told(case: Mapping[str, Any]) -> list[str]:
    lines = [f"    {each['relative']:+8.2f} s  {each['what']}" for each in case["faults"]]
    return [f"    under way: {', '.join(case['under_way']) or 'nothing'}", *lines]


def _done(seen: Seen, done: Done) -> dict[str, Any]:
    return {
        "fault": done.fault,
        "node": done.node,
        "begin": round(done.span.begin - seen.begin, 3),
        "end": round(done.span.end - seen.begin, 3),
        "note": done.note,
    }
