"""Figures of simulations: reproducible, and what they say follows from what was simulated."""

from xml.etree import ElementTree as ET

from click.testing import CliRunner

from roost.cli.sim import command
from roost.simulator.plot import draw
from roost.simulator.trials import Options, simulate


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    options = Options(trials=3, seconds=5.0, loss=0.02)
    assert simulate(options) == simulate(options)
    assert simulate(options) != simulate(Options(trials=3, seconds=5.0, loss=0.02, seed=2))


def test_witnesses_find_a_cut_node_long_before_swim_alone() -> None:
    quick = simulate(Options(trials=3, seconds=5.0))
    slow = simulate(Options(trials=3, seconds=5.0, witnesses=False))
    assert quick.missed == slow.missed == 0
    assert 4 * max(quick.all) < min(slow.first)
    assert (slow.probes, quick.probes > 0) == (0, True)


def test_a_frozen_process_is_left_to_swim_by_the_kernels_witnesses() -> None:
    frozen = simulate(Options(fault="freeze", trials=2, seconds=5.0))
    assert min(frozen.first) > 0.3


def test_a_fault_that_nobody_finds_is_missed_and_not_averaged() -> None:
    nobody = simulate(Options(nodes=2, fault="cut", trials=1, seconds=1.0, profile="wan"))
    assert nobody.missed + len(nobody.first) == 1
    assert (nobody.as_data()["first_ms"] is None) is bool(nobody.missed)


def test_the_plot_is_well_formed() -> None:
    options = Options(trials=3, seconds=1.0)
    assert ET.fromstring(draw(options, simulate(options))).tag.endswith("svg")


def test_the_command_says_what_it_found_in_words() -> None:
    said = CliRunner().invoke(command, ["--trials", "2", "--seconds", "5"])
    assert said.exit_code == 0, said.output
    assert "false verdicts           0 an hour, on 0 nodes" in said.output
    refused = CliRunner().invoke(command, ["--nodes", "1"])
    assert refused.exit_code == 2
