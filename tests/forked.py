"""Programs as the story and the benches start them, each a fork of one that has imported everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.demo.programs import Programs
from tests.zygote import Zygote, zygote


@dataclass
class Forked(Programs):
    """Starts programs as the journeys do."""

    zygote: Zygote = field(default_factory=zygote)

    def attempt(self, *words: str, environment: Mapping[str, str] | None = None) -> Any:
        return self.zygote.run(words, environment or {})

    def _start(self, words: Sequence[str], environment: Mapping[str, str] | None, log: Path) -> Any:
        log.touch()
        return self.zygote.start(words, environment or {}, log)
