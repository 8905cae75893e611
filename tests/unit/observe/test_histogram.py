"""Durations as Prometheus reads them."""

from roost.observe.histogram import BOUNDS, Histogram
from roost.observe.metrics import Metric, exposition


def test_each_observation_counts_up_to_its_bound() -> None:
    histogram = Histogram()
    for seconds in (0.004, 0.05, 0.08, 60.0):
        histogram.observe(seconds)
    found = dict(histogram.buckets)
    assert (found["0.01"], found["0.05"], found["0.1"], found["10.0"], found["+Inf"]) == (1, 2, 3, 3, 4)
    assert len(found) == len(BOUNDS) + 1
    text = exposition([Metric("x_seconds", "X", "histogram", histogram=histogram)]).decode()
    assert 'x_seconds_bucket{le="0.05"} 2.0' in text
    assert "x_seconds_count 4.0" in text


def test_untyped_metrics_keep_their_names() -> None:
    text = exposition([Metric("a_sent", "A", "untyped", ("ip",), {("192.0.2.1",): 3.0})]).decode()
    assert 'a_sent{ip="192.0.2.1"} 3.0' in text
