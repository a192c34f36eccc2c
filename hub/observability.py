"""What an operator sees: log lines of requests, metrics, health.

A route is logged as its template, never as the path that was asked for, and an exception as the places it went through,
never with its message: names and content cannot leak (`fhir_profiles.logs`).
"""

import logging
import os
import time
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
MAX_REASONS = 200
"""So many reasons of refusals are counted apart: more than the protocol has."""

log = logging.getLogger("obhut.hub")
pages = Blueprint("observability", __name__)


def say(level: int, **fields: Any) -> None:
    """Write a log line of allowed fields."""
    log.log(level, "", extra={"fields": fields})


class Metrics:
    """The counters of one hub process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "obhut_hub_request_seconds", "Requests by route and status.", ["method", "route", "status"],
            registry=self.registry, buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
        )  # fmt: skip
        self.envelopes = Counter(
            "obhut_hub_envelopes_total", "Envelopes offered, by status.", ["status"], registry=self.registry
        )
        self.released = Counter("obhut_hub_released_total", "Envelopes released.", registry=self.registry)
        self.statements = Counter(
            "obhut_hub_statements_total", "Statements admitted.", ["kind", "type"], registry=self.registry
        )
        self.peer_refusals = Counter(
            "obhut_hub_peer_refusals_total", "Requests between hubs that were refused.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.refusals = Counter(
            "obhut_hub_refusals_total", "Requests that were refused, by the problem's code and reason.",
            ["code", "reason"], registry=self.registry,
        )  # fmt: skip
        self._reasons = {"other"}
        self.peer_confirmed = Gauge(
            "obhut_hub_peer_confirmed_seconds", "Unix second up to which a peer has confirmed what is held of it here.",
            ["peer"], registry=self.registry, multiprocess_mode="max",
        )  # fmt: skip
        self.waiting = Gauge(
            "obhut_hub_waiting", "Feeds that wait.", registry=self.registry, multiprocess_mode="livesum"
        )

    def refused(self, code: str, reason: str) -> None:
        """Count a refusal. A peer's reasons may be anything: those beyond `MAX_REASONS` count together."""
        if reason not in self._reasons and len(self._reasons) >= MAX_REASONS:
            reason = "other"
        self._reasons.add(reason)
        self.refusals.labels(code, reason).inc()

    def text(self) -> bytes:
        """All metrics in the text format, those of sibling processes included."""
        return generate_latest(self._all())

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """What stands beside each combination of labels of a metric, those of sibling processes included."""
        found = (sample for family in self._all().collect() for sample in family.samples if sample.name == name)
        return {tuple(sample.labels.values()): sample.value for sample in found}

    def _all(self) -> CollectorRegistry:
        if MULTIPROCESS not in os.environ:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


def observe(app: Flask, metrics: Metrics) -> None:
    """Time, count and log every request of the app."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "-"
        status = str(response.status_code)
        metrics.requests.labels(request.method if route != "-" else "-", route, status).observe(seconds)
        say(
            logging.INFO, event="request", method=request.method if route != "-" else "-", route=route,
            status=response.status_code, ms=round(seconds * 1000, 1), bytes_in=request.content_length or 0,
            bytes_out=response.calculate_content_length() or 0, **g.get("problem", {}),
        )  # fmt: skip
        return response
