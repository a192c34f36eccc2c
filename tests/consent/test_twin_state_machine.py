"""The protocol under everything at once, one of the two clients being the portal's twin, and each verdict both's.

`OBHUT_SOAK=1` runs it longer.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize

from tests.consent.test_state_machine import Consent
from tests.consent.twin import Twin
from tests.consent.twin_steps import TwinSteps

EXAMPLES, STEPS = (400, 50) if os.environ.get("OBHUT_SOAK") else (10, 25)


class ByTwin(Consent):
    """Client 1 writes in TypeScript what Python would; the hub asks both of every statement, attacks too."""

    twin: ClassVar[Twin]

    @initialize()
    def enrol(self) -> None:
        """A fresh world, of which the twin knows the chains."""
        super().enrol()
        by_twin = TwinSteps(self.twin)
        self.clients[1] = replace(self.clients[1], steps=by_twin, next_step=by_twin.next_step)
        self.hub.admit = by_twin.admit


@pytest.fixture(autouse=True, scope="module")
def _with_the_twin(twin: Twin) -> Iterator[None]:
    ByTwin.twin = twin
    yield
    del ByTwin.twin


ByTwin.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=not os.environ.get("OBHUT_SOAK"),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


class TestConsentByTwin(ByTwin.TestCase):
    """P1 to P5 and P7 to P9 hold with both, and P10: neither takes a statement that the other refuses."""
