"""The door of the desk: who comes in, how, and what no one gets past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from staff import PASSWORD, SITE, a_desk, app_of, log_in, send, token, visiting

from bot.ui.staff.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Rest after the infusion.\n")
    with a_desk(tmp_path, corpus) as made:
        yield made


def test_smoke(desk: Desk) -> None:
    client = visiting(desk, None)
    r = client.get("/staff/account?x=1")
    assert r.status_code == 303
    print(r.headers)
    r = client.get(r.headers["location"])
    print(r.status_code, r.headers, r.text)
    client = visiting(desk)
    for p in [
        "/staff",
        "/staff/",
        "/staff/account",
        "/staff/nothing",
        "/staff/static/staff.css",
        "/staff/jobs/x",
        "/staff/jobs/x/json",
    ]:
        r = client.get(p)
        print(p, r.status_code, len(r.text))
    r = send(
        client, "/staff/account/password", {"old": PASSWORD, "new": "another long word", "again": "another long word"}
    )
    print(r.status_code, r.headers)
    r = client.post("/staff/logout")
    print(r.status_code, r.text[:2000])
    r = send(client, "/staff/logout")
    print(r.status_code, r.headers)
    assert 0
