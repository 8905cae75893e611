"""A table with a bound."""

from roost.protocols.bounded import remember


def test_what_was_noted_longest_ago_gives_way() -> None:
    table: dict[str, int] = {}
    for number, key in enumerate("abac"):
        remember(table, key, number, 2)
    assert table == {"a": 2, "c": 3}, "a was noted again after b"
    assert list(table) == ["a", "c"]
