"""Counters and gauges in the Prometheus text format.

Components keep plain integer counters; this module turns a snapshot of them into samples when
somebody scrapes, so nothing is paid while nobody does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Metric", "exposition"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family: samples are (label values in the order of `labels`) -> value."""

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...] = ()
    samples: Mapping[tuple[str, ...], float] = field(default_factory=dict)


def exposition(metrics: Iterable[Metric]) -> bytes:
    """Return `metrics` in the Prometheus text exposition format 0.0.4, UTF-8.

    Counter names get the suffix `_total`, as the format's convention wants it.
    """
    # Imported on the first scrape: a speaker that nobody scrapes does not carry the library.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    families = []
    for metric in metrics:
        family_type = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = family_type(metric.name, metric.help, labels=metric.labels)
        for values, value in metric.samples.items():
            family.add_metric(values, value)
        families.append(family)

    class Snapshot(Collector):
        def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
            return families

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot())
    return generate_latest(registry)
