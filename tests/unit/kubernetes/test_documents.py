"""YAML of others within bounds: what would cost without end is refused before anybody walks through it."""

import time

import pytest

from roost.kubernetes.documents import MAX_DEPTH, documents, only_document

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 9)
)


def test_documents_as_they_are() -> None:
    text = "a: &x {b: [1, yes]}\nc: *x\n---\n- text\n---\n"
    assert documents(text) == [{"a": {"b": [1, True]}, "c": {"b": [1, True]}}, ["text"], None]
    assert only_document("a: 1") == {"a": 1}
    assert only_document("") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "aliases expanded"),
        ("a: &a [*a]", "nothing finished before it"),
        ("a: &a 1\n---\nb: *a", "no YAML|nothing finished"),
        ("[" * 100_000, f"deeper than {MAX_DEPTH}"),
        ("- " * 100_000, f"deeper than {MAX_DEPTH}"),
        ("{a: " * 70 + "1" + "}" * 70, f"deeper than {MAX_DEPTH}"),
        ("a: " + "9" * 5000, "does not allow"),
        ("a: 2026-13-77", "does not allow"),
        ("a: !!python/object:os.system x", "no YAML"),
        ("? [a]\n: 1\n? {b: 1}\n: 2", "no YAML"),
        ("a: \0", "no YAML"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    begin = time.thread_time()
    with pytest.raises(ValueError, match=says):
        documents(text)
    assert time.thread_time() - begin < 2.0


def test_one_document_is_not_two() -> None:
    with pytest.raises(ValueError, match="more than one"):
        only_document("a: 1\n---\nb: 2")
