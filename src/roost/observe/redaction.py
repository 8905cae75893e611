"""Takes secrets out of texts that leave the house. Pure.

Two nets: what is known to be secret, in every spelling that a text could have it in; and what looks like a
secret by the name that stands before it. Texts may be logs of any size, with anything in them: no expression
here takes longer than in proportion to the text.
"""

import base64
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["Redaction"]

_GONE: Final = "<secret>"
_SHORTEST: Final = 6  # characters of a known secret: shorter ones would blank out ordinary words
_WORDS: Final = (
    r"[\w.-]*(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|private[_-]?key)s?|auth_pass|psk"
    r"|authorization|cookie"
)
_QUOTED: Final = r"\"[^\"]*\"|'[^']*'"
_FIELD: Final = re.compile(  # of YAML or JSON: its value goes on to the end of the line
    rf"(?im)((?:^|[{{,\[]|-[ \t])[ \t]*[\"']?(?:{_WORDS}|key)[\"']?\s*:[ \t]*)"
    rf"({_QUOTED}|[^\s,}}\]][^\n,}}\]]*)"
)
_NAMED: Final = re.compile(
    rf"(?i)((?<![\w.-])-{{0,2}}(?:(?:{_WORDS})[\"']?\s*[:=]|key=)\s*)({_QUOTED}|[^\s,}}\]]+)"
)
_OPTION: Final = re.compile(  # and its value, as words of a line or of a list
    rf"(?i)((?<!\S)[\[\"']*--?(?:{_WORDS}|key)[\"']?,?\s+(?:-\s+)?)({_QUOTED}|[^\s,\]]+)"
)
_KEEPALIVED: Final = re.compile(r"(?i)(\bauth_pass\s+)\S+")
_USER: Final = re.compile(r"((?<!\w)\w+://)[^/\s@:]+(?::[^/\s@]*)?@")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_BLOCK: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_LIST: Final = re.compile(r"(?im)^([ \t]*)(key)([ \t]*):[ \t]*$(?:\n\1[ -]+\S.*)+")


class Redaction:
    """Takes out `secrets`, bytes or texts that are known, and whatever looks like one."""

    def __init__(self, secrets: Iterable[bytes | str]) -> None:
        spellings: set[str] = set()
        for secret in secrets:
            spellings |= _spellings(secret)
        longest_first = sorted((each for each in spellings if len(each) >= _SHORTEST), key=len, reverse=True)
        self._known = (
            re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None
        )

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub(_GONE, text)
        text = _BLOCK.sub(_GONE, text)
        text = _LIST.sub(rf"\1\2\3: {_GONE}", text)
        text = _USER.sub(rf"\1{_GONE}@", text)
        text = _BEARER.sub(rf"\1 {_GONE}", text)
        text = _KEEPALIVED.sub(rf"\1{_GONE}", text)
        text = _OPTION.sub(rf"\1{_GONE}", text)
        text = _FIELD.sub(rf"\1{_GONE}", text)
        return _NAMED.sub(rf"\1{_GONE}", text)


def _spellings(secret: bytes | str) -> set[str]:
    """Return how a secret could stand in a text: as it is, in base64 of both alphabets, in hexadecimal."""
    data = secret.encode() if isinstance(secret, str) else secret
    encoded = base64.b64encode(data).decode()
    found = {encoded, encoded.translate(str.maketrans("+/", "-_")), data.hex(), data.hex(":")}
    found |= {each.rstrip("=") for each in found}
    found.add(str(data)[2:-1])
    if isinstance(secret, str):
        found.add(secret.strip())
    return found
