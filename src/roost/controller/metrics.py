"""What Prometheus reads of the controller; with MetalLB's names too where asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from roost.controller.controller import Controller
from roost.model.pool import UNCOUNTABLE, capacity
from roost.observe.metrics import Metric

__all__ = ["metrics"]

_PER_POOL = ("pool",)


def metrics(controller: Controller, *, metallb_names: bool) -> Iterable[Metric]:
    """Return a snapshot of all counters and gauges."""
    own = list(_own(controller))
    yield from own
    if metallb_names:
        yield from (
            replace(metric, name=metric.name.replace("roost_", "metallb_", 1))
            for metric in own
            if metric.name.startswith(("roost_allocator", "roost_k8s"))
        )


def _own(controller: Controller) -> Iterator[Metric]:
    allocator = controller.allocator
    total: dict[str, dict[tuple[str, ...], float]] = {"": {}, "ipv4_": {}, "ipv6_": {}}
    used: dict[str, dict[tuple[str, ...], float]] = {"": {}, "ipv4_": {}, "ipv6_": {}}
    for name, pool in allocator.pools.items():
        usage = allocator.usage(name)
        counts = {"ipv4_": (capacity(pool, 4), usage.ipv4), "ipv6_": (capacity(pool, 6), usage.ipv6)}
        for family, (size, held) in counts.items():
            total[family][name,] = size
            used[family][name,] = held
        total[""][name,] = min(sum(size for size, _ in counts.values()), UNCOUNTABLE)
        used[""][name,] = usage.ipv4 + usage.ipv6
    for family, sizes in total.items():
        about = f"{family.rstrip('_') or 'all'} addresses of a pool"
        yield Metric(f"roost_allocator_{family}addresses_total", about, "gauge", _PER_POOL, sizes)
        yield Metric(
            f"roost_allocator_{family}addresses_in_use_total",
            f"{about} that are held",
            "gauge",
            _PER_POOL,
            used[family],
        )
    yield Metric(
        "roost_allocator_services_waiting",
        "Services that want addresses and lack some",
        "gauge",
        (),
        {(): len(controller.waiting)},
    )
    counters = controller.counters
    yield Metric(
        "roost_k8s_client_updates",
        "Decisions",
        "counter",
        (),
        {(): counters["decisions"] + counters["loads"]},
    )
    errors = counters["errors"] + counters["write errors"]
    yield Metric("roost_k8s_client_update_errors", "Failed ones", "counter", (), {(): errors})
    yield Metric(
        "roost_k8s_client_config_loaded_bool",
        "1 since a good configuration was found",
        "gauge",
        (),
        {(): float(controller.config_loaded)},
    )
    yield Metric(
        "roost_k8s_client_config_stale_bool",
        "1 while the last configuration is refused",
        "gauge",
        (),
        {(): float(bool(controller.mistakes))},
    )
