"""The command `obhut`. Its groups are entry points of the group `obhut.commands`, loaded only when called."""

import importlib.metadata
from typing import Any

import click

from fhir_profiles.problems import Problem

ENTRY_POINTS = "obhut.commands"

SUMMARIES = {
    "bench": "Figures: what Obhut does in a second, beside what the machine could.",
    "consent": "Decide over a consent, as hub and gateway do.",
    "convert": "Any format a connector knows, as a FHIR Bundle.",
    "demo": "The whole story on this machine.",
    "desk": "A desk for patients without a device.",
    "gateway": "A practice's or hospital's FHIR R4 server.",
    "hub": "The post office: serve, migrate, admit.",
    "patient": "The patient's side, in a terminal.",
    "wearable": "Bring in what a wearable recorded.",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is called.

    The summaries stand here, so that `obhut --help` imports nothing; a command of which no summary is known is loaded
    for its own. A command that cannot be imported fails when called, with its reason, and disturbs no other.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all registered commands, sorted."""
        return sorted({*super().list_commands(ctx), *importlib.metadata.entry_points(group=ENTRY_POINTS).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; `None` where no such name is registered. Raises `click.ClickException`."""
        found = tuple(importlib.metadata.entry_points(group=ENTRY_POINTS, name=cmd_name))
        if not found:
            return super().get_command(ctx, cmd_name)
        try:
            command: Any = found[0].load()
        except (ImportError, AttributeError) as error:
            raise click.ClickException(f"the command {cmd_name} is not usable here: {error}") from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the command {cmd_name} is not usable here: {found[0].value} is no command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A `Problem` that reaches the shell is one sentence on stderr and the exit code 2."""
        try:
            return super().invoke(ctx)
        except Problem as problem:
            reason = f" ({problem.extra['reason']})" if "reason" in problem.extra else ""
            click.echo(f"obhut: {problem.detail}{reason}", err=True)
            ctx.exit(2)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        rows = [(name, SUMMARIES.get(name) or self._own_summary(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _own_summary(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except click.ClickException as error:
            return f"({error.message})"
        return command.get_short_help_str() if command else ""


@click.group(cls=LazyGroup, name="obhut")
@click.version_option(package_name="obhut", prog_name="obhut")
def main() -> None:
    """Health data, sealed end to end, released by the patient's consent."""


if __name__ == "__main__":
    main()
