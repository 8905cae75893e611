"""`hooks`: what they mean, what is wrong with them, and what this host or others make of their programs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from roost.model.hook import Hook
from roost.model.role import Role
from roost.settings import diff
from roost.standalone import Loaded, Problem, SpeakerConfig

SERVICES = "services: [{name: web, addresses: [192.0.2.200]}, {name: db, addresses: [192.0.2.201]}]\n"
Load = Callable[..., tuple[SpeakerConfig | None, tuple[Problem, ...]]]


@pytest.fixture
def loaded(load_text: Callable[[str], Loaded]) -> Load:
    def run(*entries: str) -> tuple[SpeakerConfig | None, tuple[Problem, ...]]:
        found = load_text(f"{SERVICES}hooks:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
        return found.config, found.problems

    return run


def test_what_an_entry_means(loaded: Load) -> None:
    config, problems = loaded(
        "run: [/bin/true]",
        "run: [printf, -v, ''], on: [leading, stopped], services: [web], timeout: 500ms,"
        " arguments: keepalived",
    )
    assert problems == ()
    assert config is not None
    assert config.hooks == (
        Hook(("/bin/true",)),
        Hook(
            ("printf", "-v", ""),
            frozenset({Role.LEADING, Role.STOPPED}),
            frozenset({"web"}),
            0.5,
            "keepalived",
        ),
    )


def test_nodes_need_not_agree_on_hooks(loaded: Load) -> None:
    with_one, _ = loaded("run: [/bin/true]")
    other, _ = loaded("run: [/bin/false]")
    assert with_one is not None
    assert other is not None
    assert with_one.digest == other.digest
    assert diff(with_one, other) == {"hooks"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("on: [leading]", "hooks[0].run: is missing"),
        ("run: /bin/true", "hooks[0].run: is not a list"),
        ("run: [notify/x.sh]", "hooks[0].run: begins with no program"),
        ("run: []", "hooks[0].run: is not a list"),
        ("run: [/bin/true], on: [master]", "hooks[0].on[0]: 'master' is not a choice here"),
        ("run: [/bin/true], on: []", "hooks[0].on: is empty"),
        ("run: [/bin/true], services: []", "hooks[0].services: is empty"),
        ("run: [/bin/true], services: [wbe]", "hooks[0].services[0]: wbe is no service of this file"),
        ("run: [/bin/true], timeout: 0", "hooks[0].timeout: 0 s is out of range"),
        ("run: [/bin/true], arguments: mine", "hooks[0].arguments: 'mine' is not a choice here"),
        ("run: [/bin/true], when: now", "hooks[0].when: is not a known key"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(loaded: Load, entry: str, problem: str) -> None:
    config, problems = loaded(entry)
    assert config is None
    (only,) = problems
    assert only.line == 3
    assert f"error: {problem}" in str(only)


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (0o644, "is not executable here"),
        (0o757, "may be written by everybody on this host, and the program runs as the speaker's user"),
        (0o755, None),
    ],
)
def test_programs_that_cannot_be_run_or_may_be_replaced_are_warned_of(
    loaded: Load, tmp_path: Path, mode: int, cause: str | None
) -> None:
    program = tmp_path / "notify.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(mode)
    config, problems = loaded(f"run: [{program}]")
    assert config is not None
    assert [each.severity for each in problems] == ["warning"] * bool(cause)
    assert all(cause in each.cause for each in problems if cause)


def test_a_folder_that_others_may_write_to_is_as_good_as_the_program(loaded: Load, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    program = folder / "notify.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    folder.chmod(0o777)
    _, problems = loaded(f"run: [{program}]")
    assert [each.cause.split()[0] for each in problems] == [str(folder)]


def test_a_program_that_is_not_there_is_a_warning(loaded: Load, tmp_path: Path) -> None:
    config, problems = loaded(f"run: [{tmp_path}/none.sh]")
    assert config is not None
    assert "none.sh does not exist here" in problems[0].cause
