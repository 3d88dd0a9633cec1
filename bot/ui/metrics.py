"""Figures for Prometheus at ``/metrics``: counts and times, and no word of a question.

The only module that imports prometheus_client. Every label has a fixed set of values: no address, document, id or text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import get_args

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot import __version__
from bot.answer import Answer
from bot.bot import Bot
from bot.config import Web
from bot.errors import PlainquoteError
from bot.shown import REASONS, Outcome
from bot.store import Store
from bot.triage import load_rules
from bot.ui.served import Served

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DEFECT = "defect"
"""The kind of an error that is none of bot/errors.py."""
STATES = ("ok", "down", "off")
disable_created_metrics()  # type: ignore[no-untyped-call]  # they say only when each count began
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


class Metrics:
    """Safe to call from several threads."""

    def __init__(self, bot: Bot, store: Store) -> None:
        self._registry = registry = CollectorRegistry()
        self._answers = Counter("plainquote_answers", "Answers by outcome.", ["outcome"], registry=registry)
        self._emergencies = Counter(
            "plainquote_emergencies",
            "Answers with an emergency card, by kind and level.",
            ["category", "level"],
            registry=registry,
        )
        self._faults = Counter(
            "plainquote_faults", "Questions that could not be answered, by kind of error.", ["error"], registry=registry
        )
        self._feedback = Counter(
            "plainquote_feedback", "What readers said of an answer.", ["helped", "reason"], registry=registry
        )
        self._seconds = Histogram(
            "plainquote_answer_seconds", "Until an answer or a fault was there.", buckets=SECONDS, registry=registry
        )
        self._parts = Histogram(
            "plainquote_answer_part_seconds",
            "The same, for each part of an answer's making.",
            ["part"],
            buckets=SECONDS,
            registry=registry,
        )
        self._requests = Counter(
            "plainquote_http_requests",
            "Requests by method, pattern of the address and status; 429 is one too many.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "plainquote_http_seconds", "Until the last byte of a response.", ["route"], registry=registry
        )
        Info("plainquote", "The version that runs.", registry=registry).info({"version": __version__})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_State(bot, store))
        self._begin()

    def answer(self, answer: Answer, milliseconds: float) -> None:
        self._answers.labels(answer.outcome).inc()
        if answer.outcome == "emergency" and answer.triage:
            self._emergencies.labels(answer.triage.category or "", answer.triage.level or "").inc()
        self._seconds.observe(milliseconds / 1000)
        for part, taken in answer.timings_ms.items():
            if part != "total":
                self._parts.labels(part).observe(taken / 1000)

    def fault(self, error: Exception, milliseconds: float) -> None:
        self._answers.labels("fault").inc()
        self._faults.labels(type(error).__name__ if isinstance(error, PlainquoteError) else DEFECT).inc()
        self._seconds.observe(milliseconds / 1000)

    def feedback(self, helped: bool, reason: str | None) -> None:
        """Of feedback that was kept, and so has one of the known reasons."""
        self._feedback.labels(_told(helped), reason or "").inc()

    def served(self, served: Served) -> None:
        self._requests.labels(served.method, served.route, str(served.status)).inc()
        self._request_seconds.labels(served.route).observe(served.seconds)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """All figures as they are now, and their media type, one that `accept` names."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _begin(self) -> None:
        """At 0, so that the first of a kind is seen to be one more."""
        for outcome in get_args(Outcome):
            self._answers.labels(outcome)
        for category in {rule.category for rule in load_rules().rules if rule.level in ("immediate", "urgent")}:
            for level in ("immediate", "urgent"):
                self._emergencies.labels(category, level)
        self._feedback.labels(_told(True), "")
        for reason in ("", *REASONS):
            self._feedback.labels(_told(False), reason)


class _State(Collector):
    """What is looked at only when somebody asks."""

    def __init__(self, bot: Bot, store: Store) -> None:
        self._bot, self._store = bot, store

    def collect(self) -> Iterator[Metric]:
        store = self._store.status()
        state = GaugeMetricFamily("plainquote_store_state", "1 for the state that the store is in.", labels=["state"])
        for name in STATES:
            state.add_metric([name], float(store.state == name))
        yield state
        yield _gauge("plainquote_store_waiting", "Answers that are not written yet.", store.waiting)
        yield CounterMetricFamily("plainquote_store_lost", "Answers that never will be written.", value=store.lost)

        index = self._bot.index
        overdue = sum(document.is_overdue(date.today()) for document in index.documents.values())
        yield _gauge("plainquote_index_documents", "Documents in the index in use.", len(index.documents))
        yield _gauge("plainquote_index_overdue_documents", "Those past their next review.", overdue)
        yield _gauge("plainquote_index_passages", "Passages in the index in use.", len(index.passages))
        if index.generation and index.generation.isdecimal():
            yield _gauge("plainquote_index_generation", "The generation in use.", int(index.generation))
            built = _built(self._bot.folder, index.generation)
            if built is not None:
                yield _gauge("plainquote_index_built_timestamp_seconds", "When it was built.", built)


def add_routes(app: FastAPI, metrics: Metrics, web: Web) -> None:
    """``/metrics``, where there is anybody who may read it."""
    networks = web.metrics_networks()
    if not networks:
        return

    @app.get("/metrics", include_in_schema=False)
    def read(request: Request) -> Response:
        if not _may_read(request, networks):
            told = {
                "error": "these figures are not for this address",
                "remedy": "[web] metrics says who may read them.",
            }
            return JSONResponse(told, 403)
        body, media_type = metrics.text(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def _may_read(request: Request, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    """A proxy on the same machine has an address that may; whoever comes through it has not."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in networks)


def _built(folder: Path | None, generation: str) -> float | None:
    """The manifest is written last. None: the index is not on disk, or yet another one took this one's place."""
    if folder is None:
        return None
    try:
        return (folder / "generations" / generation / "manifest.json").stat().st_mtime
    except OSError:
        return None


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _told(helped: bool) -> str:
    return "yes" if helped else "no"
