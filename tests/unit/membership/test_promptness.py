"""Whose answers are waited for: only of those that came a moment late the last time."""

from roost.membership.promptness import Promptness


def moment(prompt: Promptness[str], *, at_once: str = "", in_time: str = "", late: str = "") -> bool:
    """Ask "x"; who answers when. Tells whether there was a wait."""
    prompt.asked("x")
    for key in at_once:
        prompt.answered(key)
    waits = prompt.wanted()
    for key in in_time if waits else "":
        prompt.answered(key)
    prompt.end()
    for key in late:
        prompt.answered(key)
    return waits


def test_who_answers_at_once_is_not_waited_for_when_it_falls_silent() -> None:
    prompt = Promptness[str]()
    assert not any(moment(prompt, at_once="x") for _ in range(5))
    assert not any(moment(prompt) for _ in range(20)), "it never answers again"


def test_who_answered_a_moment_late_is_waited_for_until_it_answers_at_once() -> None:
    prompt = Promptness[str]()
    assert not moment(prompt, late="x")
    assert moment(prompt, in_time="x")
    assert moment(prompt, in_time="x")
    assert not moment(prompt, at_once="x")
    assert not moment(prompt, at_once="x")


def test_after_a_wait_in_vain_it_has_to_answer_some_times_first() -> None:
    prompt = Promptness[str]()
    moment(prompt, late="x")
    assert moment(prompt)
    assert not any(moment(prompt) for _ in range(20)), "silent"
    assert not any(moment(prompt, late="x") for _ in range(8)), "slow"
    assert moment(prompt, in_time="x")


def test_who_was_not_asked_is_waited_for_as_before() -> None:
    prompt = Promptness[str]()
    moment(prompt, late="x")
    prompt.asked("y")
    prompt.answered("y")
    assert not prompt.open
    assert not prompt.wanted()
    prompt.end()
    assert moment(prompt, in_time="x")
