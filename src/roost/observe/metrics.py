"""Counters and gauges in the Prometheus text format.

Components keep plain integer counters; this module turns a snapshot of them into samples when
somebody scrapes, so nothing is paid while nobody does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from roost.observe.histogram import Histogram

__all__ = ["Metric", "exposition"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family: samples are (label values in the order of `labels`) -> value."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "untyped", "histogram"]
    labels: tuple[str, ...] = ()
    samples: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    histogram: Histogram | None = None  # instead of samples and labels


def exposition(metrics: Iterable[Metric]) -> bytes:
    """Return `metrics` in the Prometheus text exposition format 0.0.4, UTF-8.

    Counter names get the suffix `_total`, as the format's convention wants it; untyped ones stay as they are.
    """
    # Imported on the first scrape: a speaker that nobody scrapes does not carry the library.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.core import (  # noqa: PLC0415
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        UntypedMetricFamily,
    )
    from prometheus_client.metrics_core import Metric as Family  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    types = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "untyped": UntypedMetricFamily,
    }
    families: list[Family] = []
    for metric in metrics:
        if metric.histogram is not None:
            buckets, total = metric.histogram.buckets, metric.histogram.sum
            families.append(HistogramMetricFamily(metric.name, metric.help, buckets, total))
            continue
        family = types[metric.kind](metric.name, metric.help, labels=metric.labels)
        for values, value in metric.samples.items():
            family.add_metric(values, value)
        families.append(family)

    class Snapshot(Collector):
        def collect(self) -> Iterable[Family]:
            return families

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot())
    return generate_latest(registry)
