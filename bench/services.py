"""Services in bulk on a real API server: how long until all have addresses, beside how long creating takes.

Prints one JSON line. MetalLB needed 1.02 times the time of creation for 2,000 (facts sheet, section 12).
"""

import argparse
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster.api import Client, prepare, roost, until

from roost.lab.control_plane import ControlPlane

__all__ = ["main"]

_TOGETHER = 16  # requests of the creating client at a time


def main(arguments: list[str]) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(prog="bench services", description=__doc__)
    parser.add_argument("--services", type=int, default=2000)
    print(json.dumps(_measure(parser.parse_args(arguments).services)))


def _measure(count: int) -> dict[str, float]:
    """Create `count` Services in parallel and wait for their addresses; also restart the controller then."""
    folder = Path(tempfile.mkdtemp(prefix="roost-bench-"))
    control = ControlPlane(folder, accounts={"roost-controller": "", "roost-speaker": ""})
    control.start()
    try:
        admin = Client(control.kubeconfig())
        prepare(admin)
        admin.pool("bulk", "198.18.0.0/16")
        log = folder / "controller.log"
        options = ("controller", "--port=0", "--health-probe-port=0")
        with roost(*options, kubeconfig=control.kubeconfig("roost-controller"), log=log) as process:
            until(lambda: "ready" in log.read_text(), "the controller is ready")
            cpu = _cpu(process.pid)
            created, addressed = _create(control.kubeconfig(), count)
            cpu = _cpu(process.pid) - cpu
            resident = _resident(process.pid)
        before = _addresses(admin)
        with roost(*options, kubeconfig=control.kubeconfig("roost-controller"), log=log) as process:
            time.sleep(5)
            after = _addresses(admin)
            restarted = _resident(process.pid)
        return {
            "services": count,
            "created_s": round(created, 2),
            "addressed_s": round(addressed, 2),
            "ratio": round(addressed / created, 3),
            "cpu_s": round(cpu, 1),
            "resident_mb": round(resident, 1),
            "resident_after_restart_mb": round(restarted, 1),
            "distinct_addresses": len(set(before.values())),
            "changed_by_restart": sum(before[name] != after.get(name) for name in before),
        }
    finally:
        control.stop()


def _create(kubeconfig: Path, count: int) -> tuple[float, float]:
    """Return the seconds until all were created, and until all had addresses."""
    local = threading.local()

    def one(at: int) -> None:
        if not hasattr(local, "client"):
            local.client = Client(kubeconfig)
        local.client.service(f"s{at}", allocateLoadBalancerNodePorts=False)

    watcher = Client(kubeconfig)
    begin = time.monotonic()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        list(pool.map(one, range(count)))
    created = time.monotonic() - begin
    until(lambda: len(_addresses(watcher)) == count, "all have addresses", 120)
    return created, time.monotonic() - begin


def _addresses(client: Client) -> dict[str, str]:
    items = client.items("/api/v1/namespaces/default/services")
    return {
        item["metadata"]["name"]: item["status"]["loadBalancer"]["ingress"][0]["ip"]
        for item in items
        if item["status"]["loadBalancer"].get("ingress")
    }


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
