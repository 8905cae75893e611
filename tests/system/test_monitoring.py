"""What alerts and the dashboard ask for is what a real speaker and the controller export."""

import json
import re
from pathlib import Path
from typing import Any, cast

import yaml
from tests.system.netns import NETNS
from tests.system.speakers import lan, services, until
from tests.unit.controller.fake_api import FakeApi

from roost.controller.controller import Controller
from roost.controller.metrics import metrics
from roost.controller.settings import ControllerSettings
from roost.kubernetes.client import Api
from roost.observe.metrics import exposition

DEPLOY = Path(__file__).parents[2] / "deploy"
pytestmark = NETNS


def sampled(text: str) -> set[str]:
    """Return the names under which an exposition's metrics can be asked for."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        ends = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        names |= {name + end for end in ends}
    return names


def asked(expressions: list[str]) -> set[str]:
    return {name for each in expressions for name in re.findall(r"\broost_\w+", each)}


def dashboard() -> list[str]:
    panels = json.loads((DEPLOY / "grafana" / "roost.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def alerts() -> list[str]:
    found = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["spec"]["groups"]
    return [rule["expr"] for group in found for rule in group["rules"]]


def of_the_controller() -> set[str]:
    controller = Controller(cast("Api", FakeApi()), ControllerSettings("metallb-system", "test", elect=False))
    return sampled(exposition(metrics(controller, metallb_names=False)).decode())


def test_every_metric_that_is_asked_for_is_exported(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as net:
        net.configure(services(["192.0.2.200"]))
        (speaker,) = net.speakers
        speaker.start()
        text = until(lambda: speaker.get("/metrics"), "it answers", 60)
    exported = sampled(text) | of_the_controller()
    assert {"roost_problems", "roost_failover_seconds_bucket", "roost_allocator_addresses_total"} < exported
    assert asked(alerts()) - exported == set()
    assert asked(dashboard()) - exported == set()
    assert len(asked(dashboard())) > 20


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board: dict[str, Any] = json.loads((DEPLOY / "grafana" / "roost.json").read_text())
    assert {"uid", "title", "schemaVersion", "panels", "templating"} <= board.keys()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
