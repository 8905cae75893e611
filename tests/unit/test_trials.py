"""Figures of simulations: reproducible, and what they say follows from what was simulated."""

import re
from xml.etree import ElementTree as ET

from click.testing import CliRunner

from roost.cli.sim import command
from roost.simulator.plot import draw
from roost.simulator.trials import Figures, Options, simulate


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


def test_a_count_bounds_what_a_year_may_bring() -> None:
    """The upper limits of a Poisson count, one-sided 95 % (tables of Garwood): 3.00, 4.74, 16.96."""

    def most(count: int) -> float:
        return Figures([], [], 0, count, count, 365 * 86_400.0, 0.0, 0.0).a_year_at_most

    assert [most(0), most(1), most(10)] == [3, 5, 17]


def test_who_accuses_the_living_is_judged_poor() -> None:
    said = CliRunner().invoke(command, ["--loss", "75", "--trials", "0", "--seconds", "20"])
    assert said.exit_code == 0, said.output
    assert re.search(r"\npoor: [1-9]\d* false verdicts? in 20 s at 75 % loss: at most", said.output)
    assert "knows" not in said.output, "nothing befell anybody"


def test_progress_is_told_all_along() -> None:
    told: list[str] = []
    simulate(Options(trials=1, seconds=5.0), told.append)
    assert told[0] == "trial 1 of 1"
    assert told[-1] == "the living: 100 % of 5 s"
    assert len(told) > 20


def test_the_plot_is_well_formed() -> None:
    options = Options(trials=3, seconds=1.0)
    assert ET.fromstring(draw(options, simulate(options))).tag.endswith("svg")


def test_the_command_says_what_it_found_in_words() -> None:
    said = CliRunner().invoke(command, ["--trials", "2", "--seconds", "5"])
    assert said.exit_code == 0, said.output
    assert "false verdicts           0 an hour, on 0 nodes" in said.output
    judged = "good: 0 false verdicts in 5 s at 0 % loss: at most 19,000,000 a year, 95 % sure; a longer look"
    assert judged in said.output, said.output
    refused = CliRunner().invoke(command, ["--nodes", "1"])
    assert refused.exit_code == 2
