"""Expressions that repeat a repetition are told before anything matches with them."""

import pytest
from pydantic_core import PydanticCustomError

from roost.standalone import values
from roost.standalone.repetition import depth


@pytest.mark.parametrize(
    ("expression", "deep"),
    [
        ("eth0", 0),
        (r"eth\d+", 1),
        (r"(eth|ens)\d+(\.\d+)?", 1),
        (r"bond[0-9]{1,3}(a+)?", 1),
        ("(a+)+b", 2),
        ("(?:a*?|b)*", 2),
        ("((a+)+)+b", 3),
        ("((a{2,99}){2,99}){2,3}", 2),
        (r"(?>\d+\.)+\d+", 1),
        (r"(\d++\.)+\d+", 1),
        ("(?>(a+)+b)", 2),
        ("((?>(a+)b)+)+", 2),
        ("(?=(a+)+)b", 2),
        (r"(a)(?(1)(b+)+|c)", 2),
    ],
)
def test_depth(expression: str, deep: int) -> None:
    assert depth(expression) == deep


def test_what_is_refused_names_the_cure() -> None:
    assert values.pattern(r"((eth|ens)\d+,?)*")
    assert values.answer_pattern(r"status.*ok")
    with pytest.raises(PydanticCustomError) as caught:
        values.pattern("((a+)+)+b")
    assert caught.value.context is not None
    assert "repeats a repetition" in caught.value.context["cause"]
    with pytest.raises(PydanticCustomError):
        values.answer_pattern(r"(\w+\s?)+$")
    with pytest.raises(PydanticCustomError):
        values.pattern("(" * 5000 + "a" + ")" * 5000)
