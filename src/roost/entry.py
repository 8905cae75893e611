"""Where the `roost` command begins.

What runs for long catches signals before anything else is imported, `click` included.
"""

import sys

from roost.runtime import early_signals

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process."""
    if sys.argv[1:2] == ["speaker"]:
        early_signals.catch()
    if sys.argv[1:2] == ["lab"]:
        early_signals.catch_the_end(130, b"roost: stopped; nothing is left behind\n")
    from roost.cli import main as command  # noqa: PLC0415 - see above
    from roost.cli.printing import printing  # noqa: PLC0415

    with printing():
        command()
