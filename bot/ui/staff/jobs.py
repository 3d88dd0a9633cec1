"""Work that takes longer than a page may: each piece in a thread of its own, with a page that shows how far it is."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from bot.errors import PlainquoteError, UsageError

if TYPE_CHECKING:
    from bot.ui.staff.desk import Desk

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Pieces of work, each of another kind, that go on at the same time."""
REMEMBERED = 100
"""Jobs that can still be looked at; of more, those that ended first are forgotten."""

Report = Callable[[float, str], None]
"""Tells how far the work is: a share from 0 to 1, and in words what it does now; at 1, what came of it."""
Work = Callable[[Report], str | None]
"""Does it, and returns the address of its result."""


@dataclass(frozen=True, slots=True)
class Job:
    """`done`: the share, 0 to 1. `url`: where its result is. `problem`, `remedy`: why it failed."""

    id: str
    kind: str
    title: str
    began: datetime
    state: Literal["running", "done", "failed"] = "running"
    done: float = 0.0
    words: str = ""
    url: str | None = None
    problem: str | None = None
    remedy: str | None = None
    ended: datetime | None = None


class _Stopped(BaseException):
    """The server ends. No error that the work itself may catch."""


class Jobs:
    """Those of this process. Safe to call from several threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="job")
        self._lock = threading.Lock()  # guards all below
        self._jobs: dict[str, Job] = {}  # oldest first
        self._closed = False

    def start(self, kind: str, title: str, work: Work) -> Job:
        """Begins `work` and returns at once. Raises UsageError while another of its kind is running."""
        job = Job(secrets.token_urlsafe(12), kind, title, _now())
        with self._lock:
            if self._closed:
                raise UsageError("the server is being stopped", remedy="Try again in a minute.")
            if any(other.kind == kind and other.state == "running" for other in self._jobs.values()):
                raise UsageError(f"{title} is under way already", remedy="Wait until it is done.")
            self._jobs[job.id] = job
            ended = [other.id for other in self._jobs.values() if other.state != "running"]
            for id in ended[: max(0, len(self._jobs) - REMEMBERED)]:
                del self._jobs[id]
        self._threads.submit(work, lambda done, words: self._report(job.id, done, words)).add_done_callback(
            lambda future: self._end(job.id, future)
        )
        return job

    def get(self, id: str) -> Job | None:
        with self._lock:
            return self._jobs.get(id)

    def running(self, kind: str) -> Job | None:
        """The one of this kind that is under way."""
        with self._lock:
            return next((job for job in self._jobs.values() if job.kind == kind and job.state == "running"), None)

    def close(self) -> None:
        """Ends what is running where it next reports, and waits for it."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(cancel_futures=True)

    def _report(self, id: str, done: float, words: str) -> None:
        with self._lock:
            if self._closed:
                raise _Stopped
            self._jobs[id] = replace(self._jobs[id], done=min(max(done, 0.0), 1.0), words=words)

    def _end(self, id: str, future: Future[str | None]) -> None:
        error = None if future.cancelled() else future.exception()
        with self._lock:
            job = replace(self._jobs[id], ended=_now())
            if future.cancelled() or isinstance(error, _Stopped):
                job = replace(job, state="failed", problem="The server was stopped", remedy="Start it again.")
            elif isinstance(error, PlainquoteError):
                job = replace(job, state="failed", problem=error.problem, remedy=error.remedy)
            elif error is not None:
                job = replace(
                    job,
                    state="failed",
                    problem="The server failed",
                    remedy="Try again; if it goes on, the server's log says why.",
                )
            else:
                # What was said before the end is of no use any more.
                words = job.words if job.done >= 1 else ""
                job = replace(job, state="done", done=1.0, words=words, url=future.result())
            self._jobs[id] = job
        if error is not None and not isinstance(error, PlainquoteError | _Stopped):
            log.error("%s failed", job.title, exc_info=error)


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/staff/jobs")

    @routes.get("/{id}")
    def page(request: Request, id: str) -> Response:
        job = _found(id)
        if job.state == "done" and job.url:
            return desk.leave(request, job.url, job.words or None)
        return desk.page(request, "job.html", job=job)

    @routes.get("/{id}/json")
    def state(id: str) -> Response:
        job = _found(id)
        return JSONResponse({"state": job.state, "done": job.done, "words": job.words, "url": job.url})

    def _found(id: str) -> Job:
        job = desk.jobs.get(id)
        if job is None:
            raise HTTPException(404)
        return job

    return routes


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
