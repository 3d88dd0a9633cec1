"""Adding, replacing and removing documents: a draft, what it would change, publishing it, and going back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import Response

from bot import generations, publishing
from bot.bot import Bot
from bot.corpus import SIDECAR
from bot.documents import Document
from bot.drafts import Draft
from bot.errors import PlainquoteError, UsageError
from bot.evaluation import rehearsal
from bot.evaluation.rehearsal import Move
from bot.generations import Publication
from bot.loaders import DATES, LOADERS, METADATA
from bot.ui.staff import consistency
from bot.ui.staff.desk import UPLOAD, Desk, Editor, LoggedIn
from bot.ui.staff.jobs import Report
from bot.ui.staff.testsets import own_sets

log = logging.getLogger(__name__)

HOME = "/staff/documents"
DRAFT = f"{HOME}/draft"
HISTORY = f"{HOME}/history"
KIND = "documents"
"""Of the jobs: one at a time, for all of them read or change the draft."""
ON_A_PAGE = 25
LISTED = 50
"""Documents of each kind that the preview names at once; of more the numbers."""
LABELS = {
    "title": "Title",
    "source": "Published at",
    "author": "Author",
    "version": "Version",
    "language": "Language",
    "licence": "Licence",
    "created": "Written",
    "modified": "Changed",
    "reviewed": "Reviewed",
    "next_review": "Next review",
}
assert set(LABELS) == set(METADATA)  # noqa: S101  # or a field would have no name
MOVES: Mapping[Move, str] = {
    "refused": "Quotes before, none with the draft",
    "other": "Another first quote",
    "quoted": "No quote before, quotes with the draft",
}
DOES = {"add": "new", "replace": "new version", "remove": "removed", "details": "title and dates"}


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)
    draft = Draft(desk.index, desk.corpus, desk.config.corpus)
    tests = Path(desk.config.staff.tests)

    @routes.get("/draft")
    def see(request: Request, user: LoggedIn) -> Response:
        changes, revision = draft.changes(), draft.revision()
        answers = draft.remembered("answers") if changes else None
        sets, unreadable = own_sets(tests)
        return desk.page(
            request,
            "publish_draft.html",
            changes=changes,
            revision=revision,
            seen=draft.remembered("preview") if changes else None,
            answers=answers if answers and answers["generation"] == (desk.bot.index.generation or "") else None,
            questions=sum(len(one.questions) + len(one.unanswerable) for one in sets.values()),
            unreadable=unreadable,
            moves=MOVES,
            running=desk.jobs.running(KIND),
            does=DOES,
            labels=LABELS,
            listed=LISTED,
        )

    def check(request: Request, words: str) -> Response:
        """Goes to a page that shows how the check gets on, and from there to the draft."""

        def work(report: Report) -> str:
            desk.bot.refresh()
            publishing.preview(draft, desk.bot.index, desk.bot.encoder, desk.config, report)
            return DRAFT

        if not draft.changes():
            return desk.leave(request, DRAFT, words)
        try:
            job = desk.jobs.start(KIND, "Checking what would change", work)
        except UsageError:  # another check or a publication: the draft's page says so, and checks again when asked
            return desk.leave(request, DRAFT, words)
        return desk.leave(request, f"/staff/jobs/{job.id}", words)

    @routes.post("/draft/check")
    def look(request: Request, user: Editor) -> Response:
        return check(request, "This shows what publishing would change.")

    @routes.post("/draft/answers")
    def ask(request: Request, user: Editor) -> Response:
        """What the draft would do to the answers to the test questions."""

        def work(report: Report) -> str:
            desk.bot.refresh()
            now = Bot(desk.bot.index, desk.bot.encoder, desk.config)  # whatever is published meanwhile
            sets, _ = own_sets(tests)

            def first(done: float, words: str) -> None:
                report(0.4 * done, words)

            def then(done: float, words: str) -> None:
                report(0.4 + 0.6 * done, words)

            with publishing.drafted(draft, now.index, now.encoder, desk.config, first) as (revision, index):
                found = rehearsal.rehearse(sets, now, Bot(index, now.encoder, desk.config), then)
            told = {"revision": revision, "generation": now.index.generation or "", **rehearsal.to_dict(found)}
            draft.remember("answers", told)
            return f"{DRAFT}#answers"

        job = desk.jobs.start(KIND, "Asking the test questions", work)
        return desk.leave(request, f"/staff/jobs/{job.id}")

    @routes.post("/draft/undo")
    def undo(request: Request, user: Editor, path: Annotated[str, Form()]) -> Response:
        draft.undo(path)
        return check(request, f"{path} is as it was.")

    @routes.post("/draft/discard")
    def discard(request: Request, user: Editor) -> Response:
        draft.discard()
        return desk.leave(request, DRAFT, "The draft was discarded. Nothing has changed for patients.")

    @routes.post("/draft/publish")
    def publish(request: Request, user: Editor, revision: Annotated[str, Form()]) -> Response:
        def work(report: Report) -> str:
            made = publishing.publish(
                draft,
                desk.bot.encoder,
                desk.config,
                who=user.name,
                revision=revision,
                report=report,
                served=desk.bot.refresh,
            )
            compare_again()
            report(1.0, f"Published. Answers come from generation {made.generation} now.")
            return HISTORY

        if draft.revision() != revision:
            raise UsageError(
                "the draft or the documents have changed since you looked",
                remedy="Go back to the draft and see what would change once more.",
            )
        job = desk.jobs.start(KIND, "Publishing", work)
        return desk.leave(request, f"/staff/jobs/{job.id}")

    def compare_again() -> None:
        """What was published is published, whether or not the documents can be compared now."""
        try:
            consistency.begin(desk)
        except UsageError as error:
            log.warning("the documents are not compared with each other: %s", error.problem)

    # One document

    def upload_page(request: Request, replaced: str = "", error: PlainquoteError | None = None) -> Response:
        return desk.page(
            request,
            "publish_upload.html",
            status=422 if error else 200,
            replaced=replaced,
            beside=draft.details(replaced) if replaced else {},
            labels=LABELS,
            folders=draft.folders(),
            formats=sorted((*LOADERS, SIDECAR)),
            limit=desk.config.corpus.max_file_mb,
            error=error,
        )

    @routes.get("/upload")
    def choose(request: Request, user: LoggedIn, replace: str = "") -> Response:
        if replace and replace not in draft.paths():
            raise UsageError(f"there is no document {replace!r}", remedy="Open the list of documents again.")
        return upload_page(request, replace)

    @routes.post(UPLOAD.removeprefix(HOME))
    def upload(
        request: Request,
        user: Editor,
        file: Annotated[UploadFile, File()],
        folder: Annotated[str, Form()] = "",
        replace: Annotated[str, Form()] = "",
    ) -> Response:
        given = file.filename or ""
        try:
            if replace:
                draft.replace(replace, given, file.file, user.name)
            else:
                replace = draft.add(given, folder, file.file, user.name)
        except UsageError as error:
            return upload_page(request, replace, error)
        return check(request, f"{replace} is in the draft. Patients see it once it is published.")

    def document_page(
        request: Request, path: str, values: dict[str, str] | None = None, error: PlainquoteError | None = None
    ) -> Response:
        if path not in draft.paths():
            raise UsageError(f"there is no document {path!r}", remedy="Open the list of documents again.")
        documents = [document for document in desk.bot.documents() if document.source == path]
        return desk.page(
            request,
            "publish_change.html",
            status=422 if error else 200,
            file=path,
            document=documents[0] if len(documents) == 1 else None,
            documents=len(documents),
            own=_own(documents),
            beside=draft.details(path) if values is None else values,
            names=METADATA,
            labels=LABELS,
            dates=DATES,
            upload=f"{UPLOAD}?{urlencode({'replace': path})}",
            error=error,
        )

    @routes.get("/change")
    def change(request: Request, user: LoggedIn, document: Annotated[str, Query()]) -> Response:
        return document_page(request, document)

    @routes.post("/details")
    async def describe(request: Request, user: Editor) -> Response:
        form = await request.form()
        sent = {name: value for name, value in form.items() if isinstance(value, str)}
        path = sent.get("path", "")
        values = {name: sent.get(name, "") for name in METADATA}
        try:
            draft.describe(path, values, user.name)
        except UsageError as error:
            return document_page(request, path, values, error)
        return check(request, f"What is said about {path} is in the draft.")

    @routes.post("/remove")
    def remove(request: Request, user: Editor, path: Annotated[str, Form()]) -> Response:
        draft.remove(path, user.name)
        return check(request, f"{path} will be removed. Patients are shown it until that is published.")

    # Going back

    @routes.get("/history")
    def history(request: Request, user: LoggedIn, page: Annotated[int, Query(ge=1, le=10**6)] = 1) -> Response:
        records = generations.publications(desk.index)
        first = (page - 1) * ON_A_PAGE
        return desk.page(
            request,
            "publish_history.html",
            kept=[_kept(generation) for generation in generations.kept(desk.index)],
            in_use=generations.in_use_now(desk.index),
            served=desk.bot.index.generation,
            comparing=desk.jobs.running(consistency.KIND),
            records=records[first : first + ON_A_PAGE],
            before=f"{HISTORY}?page={page - 1}" if page > 1 else None,
            after=f"{HISTORY}?page={page + 1}" if first + ON_A_PAGE < len(records) else None,
        )

    @routes.post("/history/back")
    def back(request: Request, user: Editor, generation: Annotated[str, Form()]) -> Response:
        def work(report: Report) -> str:
            report(0.1, "Checking every file of it")
            publishing.roll_back(
                desk.index,
                desk.corpus,
                desk.bot.encoder,
                desk.config,
                who=user.name,
                generation=generation,
                served=desk.bot.refresh,
            )
            compare_again()
            report(1.0, f"Answers come from generation {generation} again.")
            return HISTORY

        job = desk.jobs.start(KIND, f"Going back to generation {generation}", work)
        return desk.leave(request, f"/staff/jobs/{job.id}")

    return routes


def _own(documents: list[Document]) -> dict[str, str]:
    """What is known of the one document, from wherever: what stands in a field that is left empty."""
    if len(documents) != 1:
        return {}
    return {**documents[0].metadata, "title": documents[0].title}


def _kept(generation: generations.Generation) -> dict[str, Any]:
    """`made`: the record of its first publication; None for one of an earlier version of Plainquote."""
    manifest = generation.manifest
    made = Publication.from_dict(manifest["published"]) if "published" in manifest else None
    return {"id": generation.id, "made": made, "documents": manifest["counts"]["documents"]}
