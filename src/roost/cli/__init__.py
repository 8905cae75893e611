"""The `roost` command. Each subcommand is a module here, imported only when it is asked for."""

from difflib import get_close_matches
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from roost import __version__
from roost.cli.exits import Exit, Failure
from roost.cli.printing import printing

__all__ = ["main"]

_COMMANDS = {
    "controller": "Give addresses to the Services of a Kubernetes cluster.",
    "speaker": "Announce service addresses from this node (runs in the foreground).",
    "init": "Write a first configuration for this host, from its interfaces.",
    "check": "Validate a configuration file.",
    "import": "Write Roost's configuration from Keepalived's, and name what has no counterpart.",
    "status": "Show what is wrong, who leads what, and the members of the cluster.",
    "explain": "Show why an address is where it is.",
    "what-if": "Show what would move if nodes went down, came or drained.",
    "doctor": "Find what is wrong on this host, on its LAN and in its cluster.",
    "events": "Show what has happened, also before the speaker's last start.",
    "record": "Write what was on the wire and decided of late as a file for Wireshark.",
    "top": "Show nodes, addresses, traffic, failovers and events live.",
    "dashboard": "Show a whole cluster as a page, live.",
    "forget": "Miss a lost member no more, on all nodes.",
    "drain": "Hand over everything that a node leads, and see its packets end.",
    "sim": "Simulate a cluster: how soon the dead are found, and campaigns of faults against its rules.",
    "lab": "Run real speakers and clients in network namespaces on this machine.",
}


class _LazyGroup(click.Group):
    """Loads a subcommand's module on use, so that `roost speaker` never pays for `roost lab`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them, and whole lines of theirs."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for, and say which may be meant where there is none."""
        close = get_close_matches(args[0], _COMMANDS, n=1)
        if args[0] not in _COMMANDS and close:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """Read the options; `--help` and `--version` print already here."""
        with printing():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what ends it from outside is one line, where the command does not know better."""
        try:
            with printing():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise Failure("interrupted", Exit.INTERRUPTED) from None
        except PermissionError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror}; run this as root", Exit.CANNOT_RUN) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module = cmd_name.replace("-", "_") + ("_" if iskeyword(cmd_name) else "")
        command = import_module(f"roost.cli.{module}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a module that breaks this is ours
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="roost")
def main() -> None:
    """Roost keeps service addresses on living nodes of a LAN."""
