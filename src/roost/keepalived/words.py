"""One line of theirs: its comment, its words, the arguments of a command."""

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["arguments", "pieces", "uncommented", "words"]

_ESCAPES: Final = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL: Final = re.compile(r"[0-7]{1,3}")
_HEX: Final = re.compile(r"x[0-9A-Fa-f]+")
_WORD: Final = re.compile(r'"([^"]*)"?|((?:\$\{[^{}]*\}|\{\{.*?\}\}|[^\s"])+)')
_RUN: Final = re.compile(
    r'[^\\"#!]+|\\?.', re.DOTALL
)  # no mark, a mark, or what a backslash takes its meaning away
_PLACEHOLDER: Final = re.compile(r"\$\{[^{}]*\}|\{\{.*?\}\}")


def uncommented(text: str) -> str:
    """Return a line without its comment and outer blanks.

    A comment starts at `#` or `!` outside of double quotes; a backslash takes that meaning away. A backslash
    at the end stays: it continues a definition.
    """
    kept, quoted = list[str](), False
    for run in _RUN.findall(text):
        if run == '"':
            quoted = not quoted
        elif run in ("#", "!") and not quoted:
            break
        kept.append(run[1:] if run in (r"\#", r"\!") and not quoted else run)
    return "".join(kept).strip()


def pieces(text: str) -> Iterator[str]:
    """Yield a line's parts between braces, and the braces, each alone.

    Braces in double quotes are text, and so are those of a template's placeholder, `${NAME}` or `{{ NAME }}`.
    """
    start = at = 0
    quoted = False
    while at < len(text):
        if text[at] == '"':
            quoted = not quoted
        elif not quoted and (placeholder := _PLACEHOLDER.match(text, at)):
            at = placeholder.end()
            continue
        elif not quoted and text[at] in "{}":
            if part := text[start:at].strip():
                yield part
            yield text[at]
            start = at + 1
        at += 1
    if part := text[start:].strip():
        yield part


def words(text: str) -> tuple[str, ...]:
    """Return the words of a line: parted by blanks, and by double quotes, which are taken off."""
    return tuple(part[2] if part[1] is None else part[1] for part in _WORD.finditer(text))


def arguments(text: str) -> tuple[str, ...]:
    """Return the words of a command line: both kinds of quotes, and escapes as in a shell's $'...'."""
    found: list[str] = []
    word, quote, at, open_word = "", "", 0, False
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            escaped, at = _escape(text, at + 1)
            word, open_word = word + escaped, True
            continue
        if quote:
            if letter == quote:
                quote = ""
            else:
                word += letter
        elif letter in "\"'":
            quote, open_word = letter, True
        elif letter.isspace():
            if open_word:
                found.append(word)
            word, open_word = "", False
        else:
            word, open_word = word + letter, True
        at += 1
    return (*found, word) if open_word else tuple(found)


def _escape(text: str, at: int) -> tuple[str, int]:
    """Return what stands for the escape whose letter is at `at`, and where the text goes on."""
    if octal := _OCTAL.match(text, at):
        return chr(int(octal[0], 8) & 0xFF), octal.end()
    if hexadecimal := _HEX.match(text, at):
        return chr(int(hexadecimal[0][-2:].lstrip("x") or "0", 16)), hexadecimal.end()
    if text[at] == "c" and at + 1 < len(text):
        return chr(ord(text[at + 1]) & 0x1F), at + 2
    return _ESCAPES.get(text[at], text[at]), at + 1
