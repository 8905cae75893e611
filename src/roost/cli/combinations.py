"""Options that do nothing together are refused: whoever gives them believes that they do something."""

from collections.abc import Collection

import click
from click.core import ParameterSource

__all__ = ["refuse_all_but", "refuse_beside"]


def refuse_beside(names: Collection[str], why: str) -> None:
    """End the command when one of the parameters `names` was given: "--drill has no effect " and why.

    What a variable of the environment says is for all commands, so only the command line counts.
    """
    context = click.get_current_context()
    options = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if options:
        has = "has" if len(options) == 1 else "have"
        raise click.UsageError(f"{' and '.join(options)} {has} no effect {why}", context)


def refuse_all_but(names: Collection[str], why: str) -> None:
    """End the command when any parameter but `names` was given."""
    every = {parameter.name for parameter in click.get_current_context().command.params if parameter.name}
    refuse_beside(every - set(names), why)
