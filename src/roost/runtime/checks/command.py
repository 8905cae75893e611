"""Whether a command exits with 0."""

from collections.abc import Mapping, Sequence

from roost.model.check import Result
from roost.runtime import programs

__all__ = ["check_command"]


async def check_command(
    command: Sequence[str],
    timeout: float,  # noqa: ASYNC109 - it kills
    *,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run `command` for at most `timeout` seconds."""
    outcome = await programs.run(command, timeout, environment=environment)
    return Result(outcome.ok, outcome.why, outcome.output)
