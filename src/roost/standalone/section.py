"""A mapping of the configuration file, as a type."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roost.standalone import values

__all__ = ["Section"]

_Kind = TypeVar("_Kind", bound=str)


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, no value is converted, none shown in an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, alias_generator=to_camel
    )

    def only_kind(self, kinds: Sequence[_Kind], none: str) -> _Kind:
        """Return the one of the keys `kinds` that is given; `none` says what is wrong where none is.

        Raises the error of a wrong value.
        """
        given = [kind for kind in kinds if kind in self.model_fields_set]
        if len(given) != 1:
            told = f"{' and '.join(given)} are two kinds" if given else none
            raise values.wrong(told, f"give it one of {', '.join(kinds)}")
        return given[0]
