"""`obhut demo --once --json`, quickly: real programs, each a fork of one that has imported everything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.demo import cli
from tests.forked import Forked
from tests.ports import free_port

OFFSETS = (1, 2, 101, 102, 103)
"""Where the story's servers listen, from its base port on."""


class Shortly(Forked):
    """With an export of a few thousand records."""

    def attempt(self, *words: str, environment: Mapping[str, str] | None = None) -> Any:
        few = ("--records", "8000") if words[:2] == ("wearable", "generate") else ()
        return super().attempt(*words, *few, environment=environment)


def story(directory: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the lines."""
    words = ["--once", "--json", "--dir", str(directory), "--base-port", str(free_port(*OFFSETS)), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "Programs", Shortly)
        done = CliRunner().invoke(cli.demo, words, catch_exceptions=False)
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]
