"""The page of pairs that may contradict each other, as staff open it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from staff import a_desk, send, visiting
from starlette.testclient import TestClient
from test_consistency import FASTING, FASTING_TOO

from bot import surveys
from bot.embed import Encoder
from bot.ui.staff import consistency
from bot.ui.staff.desk import Desk

HOME = "/staff/consistency"
XSS = "<script>alert('owned')</script>"


@pytest.fixture
def desk(tmp_path: Path, encoder: Encoder) -> Iterator[Desk]:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "before.txt").write_text(f"Before your infusion {XSS}\n\n{FASTING}\n\nTake 5 mg of {XSS} at night.\n")
    (corpus / "day.txt").write_text(f"The day of your infusion\n\n{FASTING_TOO}\n\nTake 5 ml of {XSS} at night.\n")
    with a_desk(tmp_path, corpus, encoder) as made:
        yield made


def compared(desk: Desk) -> TestClient:
    client = visiting(desk)
    answer = send(client, HOME)
    assert answer.status_code == 303
    while (state := client.get(f"{answer.headers['location']}/json").json())["state"] == "running":
        time.sleep(0.05)
    assert (state["state"], state["url"]) == ("done", HOME)
    return client


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page))


def test_before_it_was_compared_nothing_is_claimed(desk: Desk) -> None:
    page = visiting(desk).get(HOME)
    assert page.status_code == 200
    assert "not been compared yet" in page.text
    assert "Nothing is open" not in page.text


def test_pairs_stand_side_by_side_with_what_differs_marked(desk: Desk) -> None:
    page = compared(desk).get(HOME).text
    assert "<mark>6 hours</mark>" in page
    assert "<mark>eight hours</mark>" in page
    assert FASTING in words(page)
    assert FASTING_TOO in words(page)
    assert "<mark>5 mg</mark>" in page
    assert "Another unit" in page
    assert XSS not in page
    assert XSS in words(page)
    assert page.count('href="/source?document=') == 4


def test_a_pair_can_be_judged_and_opened_again(desk: Desk) -> None:
    client = compared(desk)
    key = next(one.key for one in surveys.load(desk.index).findings if "number" in one.kinds)  # type: ignore[union-attr]
    answer = send(client, f"{HOME}/judge", {"key": key, "fine": "true", "back": f"{HOME}?kind=number"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HOME}?kind=number")
    assert FASTING not in words(client.get(HOME).text)
    fine = words(client.get(f"{HOME}?show=fine").text)
    assert FASTING in fine
    assert "Judged to be fine by Erin" in fine
    send(client, f"{HOME}/judge", {"key": key, "fine": "false"})
    assert FASTING in words(client.get(HOME).text)


def test_only_what_is_listed_can_be_judged_and_no_address_leads_away(desk: Desk) -> None:
    client = compared(desk)
    assert send(client, f"{HOME}/judge", {"key": "0" * 64, "fine": "true"}).status_code == 422
    key = surveys.load(desk.index).findings[0].key  # type: ignore[union-attr]
    for back in ("https://elsewhere.example", "//elsewhere.example", f"{HOME}.elsewhere.example"):
        assert send(client, f"{HOME}/judge", {"key": key, "fine": "true", "back": back}).headers["location"] == HOME


def test_a_viewer_looks_and_changes_nothing(desk: Desk) -> None:
    compared(desk)
    viewer = visiting(desk, "Vic")
    page = viewer.get(HOME).text
    assert FASTING in words(page)
    assert "Judged: fine" not in page
    assert send(viewer, HOME).status_code == 403
    assert send(viewer, f"{HOME}/judge", {"key": "x", "fine": "true"}).status_code == 403


def test_what_differs_can_be_chosen(desk: Desk) -> None:
    client = compared(desk)
    assert FASTING not in words(client.get(f"{HOME}?kind=unit").text)
    assert FASTING in words(client.get(f"{HOME}?kind=number").text)
    assert client.get(f"{HOME}?kind=nothing").status_code == 422


def test_long_lists_are_paged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "ROWS", 1)
    client = compared(desk)
    first, second, beyond = (client.get(HOME, params={"page": page}).text for page in (1, 2, 99))
    assert 'rel="next"' in first
    assert 'rel="prev"' not in first
    assert 'rel="prev"' in second
    assert 'rel="next"' not in second
    assert words(beyond) == words(second)


def test_a_document_that_changed_is_not_quoted_as_it_was(desk: Desk) -> None:
    client = compared(desk)
    (desk.corpus / "day.txt").write_text("The day\n\nSomething else now.\n")
    desk.bot.index.update(desk.index, desk.corpus, desk.bot.encoder, desk.config)
    assert desk.bot.refresh()
    page = words(client.get(HOME).text)
    assert FASTING_TOO not in page
    assert "has changed since" in page
    assert "published anew" in page
