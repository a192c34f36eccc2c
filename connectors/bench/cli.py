"""`obhut bench`: the figures of Obhut, each beside what the machine could do at most."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

import click

from connectors.bench import browser
from connectors.bench.databases import Databases
from connectors.bench.figures import Figure, Wish
from connectors.demo.programs import Failed, Programs, ends_in_order

CURVE = (10_000, 100_000, 1_000_000)

Bench = Callable[[Wish], Iterator[Figure]]

BENCHES: Mapping[str, tuple[str, str]] = {
    "seal": ("envelopes", "seal_"),
    "open": ("envelopes", "open_"),
    "import": ("imports", "import_"),
    "deposit": ("hub", "deposit"),
    "feed": ("hub", "feed"),
    "relay": ("relaying", "relay"),
    "gateway-write": ("gateway", "write"),
    "gateway-read": ("gateway", "read"),
    "gateway-search": ("gateway", "search"),
    "portal": ("portal", "portal"),
    "decide": ("decisions", "decide"),
}
"""Name → module of this package, function."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHES)))
@click.option("--json", "as_json", is_flag=True, help="JSON lines only.")
@click.option("--database", default="", help="sqlite, postgresql://…, or postgresql for the tests' own server.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="A measurement.")
@click.option("--connections", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--rows", type=click.IntRange(min=100), default=100_000, show_default=True, help="What is there already.")
@click.option(
    "--curve", is_flag=True, help="With 10,000, 100,000 and 1,000,000 rows, as far as --rows; and the growth."
)
@click.option("--serve-nothing", type=int, hidden=True)
def bench(
    names: tuple[str, ...],
    as_json: bool,
    database: str,
    seconds: float,
    connections: int,
    rows: int,
    curve: bool,
    serve_nothing: int | None,
) -> None:
    """Measure NAMES, or everything. Servers are started for it, on this machine, and ended.

    Every line holds the figure and its limit: what the machine does without Obhut, measured in the same run.
    """
    if serve_nothing is not None:
        from connectors.bench.servers import nothing  # noqa: PLC0415 - in a process of its own

        nothing(serve_nothing)
        return
    sizes = (*(size for size in CURVE if size < rows), rows) if curve else (rows,)
    for name in dict.fromkeys(names or _possible()):
        with ends_in_order(), Databases(database) as databases:
            programs = Programs(databases.directory)
            try:
                for figure in _bench(name)(Wish(databases, programs, seconds, connections, sizes)):
                    click.echo(figure.json() if as_json else str(figure))
            except Failed as failed:
                raise click.ClickException(f"{name}: {failed}") from None
            finally:
                programs.stop()


def _possible() -> list[str]:
    """All that this machine can measure; what it lacks for the rest is said."""
    if lack := browser.missing():
        click.echo(f"portal is left out: {lack}", err=True)
    return [name for name in BENCHES if not (lack and name == "portal")]


def _bench(name: str) -> Bench:
    module, function = BENCHES[name]
    found: Bench = getattr(import_module(f"connectors.bench.{module}"), function)
    return found
