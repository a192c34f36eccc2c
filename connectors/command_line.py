"""What the commands of the edges share: a refusal of the protocol is told in a sentence, not in a traceback."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import click

from consent.primitives import Rejected
from fhir_profiles.problems import Problem

# An id, drawn at random, may begin with a hyphen: a command that takes one must not look for an option there.
TAKES_ID = {"ignore_unknown_options": True}


def _url(_context: click.Context, _option: click.Parameter, url: str) -> str:
    """A URL that can be asked. Raises `click.BadParameter`."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise click.BadParameter("a URL begins with https:// or http://")
    return url


HUB = click.option("--hub", required=True, callback=_url, help="URL of the home hub.")


def plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """What does not hold becomes a `Problem`, which the command `obhut` tells in one sentence."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Rejected as refused:
            raise Problem("refused", "what was offered does not hold", reason=refused.reason) from None

    return run
