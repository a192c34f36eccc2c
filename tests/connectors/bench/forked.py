"""`obhut bench` as a fork whose servers are forks of it, too."""

from collections.abc import Sequence
from functools import partial

from connectors.bench import cli, relaying
from tests.forked import Forked
from tests.zygote import Zygote


def main(words: Sequence[str]) -> None:
    """Run the command to its end."""
    zygote = Zygote.forked()
    cli.Programs = relaying.Programs = partial(Forked, zygote=zygote)
    try:
        cli.bench(words, prog_name="obhut bench")
    finally:
        zygote.close()
