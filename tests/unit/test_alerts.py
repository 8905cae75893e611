"""promtool sees each alert fire after its time, not before, and end; pools by their shares."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
UNITS: Final = {"s": 1, "m": 60, "h": 3600}

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    return found


def promtool(folder: Path, rules: list[dict[str, Any]], step: int, cases: list[dict[str, Any]]) -> str:
    """Have promtool evaluate the rules every `step` seconds; return what it complains of."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "some", "rules": rules}]}))
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{step}s", "tests": cases}
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ("promtool", "test", "rules", "tests.yaml"), cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr or "it failed"


def seconds(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def told(rule: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """Return the alert as promtool expects it."""
    annotations = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": annotations}


def step_of(rule: dict[str, Any]) -> int:
    """Return the time between two looks, in seconds: long ones are looked at less often."""
    return {10: 10, 60: 10, 300: 60}.get(seconds(rule["for"]), 600)


def case(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a series that is well, then bad for long, and well again; and what has to be heard of it."""
    step = step_of(rule)
    found = re.fullmatch(r'(\w+)(?:{kind="([^"]+)"})? [=>]=? ?\d', rule["expr"])
    assert found, rule["expr"]
    name, kind = found.groups()
    good, bad = ("1", "0") if rule["expr"].endswith("== 0") else ("0", "1")
    wait = seconds(rule["for"])
    lasts = wait // step + 6
    labels = {"instance": "n1:7473", "pod": "speaker-x"} | ({"kind": kind} if kind else {})
    listed = ",".join(f'{key}="{text}"' for key, text in labels.items())
    heard = [told(rule, labels)]
    begin = 7 * step  # the first bad value
    moments: tuple[tuple[int, list[dict[str, Any]]], ...] = (
        (begin - step, []),
        (begin + wait - step, []),
        (begin + wait, heard),
        (begin + (lasts + 2) * step, []),
    )
    return {
        "interval": f"{step}s",
        "input_series": [{"series": f"{name}{{{listed}}}", "values": f"{good}x6 {bad}x{lasts} {good}x6"}],
        "alert_rule_test": [
            {"eval_time": f"{at}s", "alertname": rule["alert"], "exp_alerts": alerts}
            for at, alerts in moments
        ],
    }


def test_promtool_takes_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}))
    done = subprocess.run(
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml")),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_problem_is_heard_in_time_and_no_sooner(tmp_path: Path) -> None:
    problems = groups()[1]["rules"]
    assert len(problems) > 30
    for step in {step_of(rule) for rule in problems}:
        rules = [rule for rule in problems if step_of(rule) == step]
        assert promtool(tmp_path, rules, step, [case(rule) for rule in rules]) == ""


@pytest.mark.parametrize("alert", ["RoostStaleConfig", "RoostConfigNotLoaded", "RoostApiSilent"])
def test_each_state_of_a_process_is_heard_in_time_and_no_sooner(tmp_path: Path, alert: str) -> None:
    (rule,) = (each for each in groups()[0]["rules"] if each["alert"] == alert)
    assert promtool(tmp_path, [rule], step_of(rule), [case(rule)]) == ""


@pytest.mark.parametrize(
    ("used", "heard"),
    [
        (85, []),
        (86, ["RoostAddressPoolUsage"]),
        (100, ["RoostAddressPoolExhausted", "RoostAddressPoolUsage"]),
    ],
)
def test_a_pool_is_heard_of_by_its_share(tmp_path: Path, used: int, heard: list[str]) -> None:
    series = {
        'roost_allocator_addresses_in_use_total{pool="lan"}': used,
        'roost_allocator_addresses_total{pool="lan"}': 100,
        'roost_allocator_addresses_in_use_total{pool="other"}': 0,
        'roost_allocator_addresses_total{pool="other"}': 100,
        'roost_allocator_services_waiting{pod="c"}': 2 if used == 100 else 0,
    }
    summaries = {
        "RoostAddressPoolUsage": f"pool lan is used to {used}%",
        "RoostAddressPoolExhausted": "pool lan has no address left",
        "RoostServicesWaiting": "2 services wait for an address",
    }
    rules = {each["alert"]: each for each in groups()[0]["rules"]}
    expected = []
    for name, summary in summaries.items():
        labels = {"pod": "c"} if name == "RoostServicesWaiting" else {"pool": "lan"}
        fires = used == 100 if name == "RoostServicesWaiting" else name in heard
        alert = {"exp_labels": labels | rules[name]["labels"], "exp_annotations": {"summary": summary}}
        expected.append({"eval_time": "6m", "alertname": name, "exp_alerts": [alert] if fires else []})
    given = [{"series": name, "values": f"{value}x8"} for name, value in series.items()]
    cases = [{"interval": "1m", "input_series": given, "alert_rule_test": expected}]
    assert promtool(tmp_path, [rules[name] for name in summaries], 60, cases) == ""
