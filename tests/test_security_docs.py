"""What docs/security.md and docs/safety.md claim is shown by tests that exist, or measured in docs/evaluation.md."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("security", "safety")}
EVALUATION = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def rows(page: str, last: str) -> list[list[str]]:
    """The rows of all tables whose last column has this head."""
    found: list[list[str]] = []
    for table in re.findall(r"(?m)(?:^\|.*\|\n?)+", page):
        head, _, *body = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines())
        found += body if head[-1].strip("| ") == last else []
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_control_is_shown_by_a_test_that_exists(name: str) -> None:
    claimed = rows(PAGES[name], "shown by")
    assert len(claimed) >= 15
    for row in claimed:
        tests = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row[-1])
        assert tests or "not tested here" in row[-1], row[0]
        for file, test in tests:
            source = ROOT / "tests" / file
            assert source.exists(), file
            assert re.search(rf"(?m)^(?:async )?def {test}\(", source.read_text(encoding="utf-8")), f"{file}::{test}"


def test_what_is_left_is_what_was_measured() -> None:
    left = rows(PAGES["safety"], "figure")
    assert len(left) >= 5
    for risk, figure in left:
        figures = re.findall(r"\d*\.\d+%?|\d[\d,]+|\b\d+ of \d+", figure.replace("|", ""))
        assert figures, risk
        for one in figures:
            assert one in EVALUATION, f"{one}: {risk}"


@pytest.mark.parametrize(
    "hazard", ["wrong quote", "out-of-date leaflet", "missed emergency", "false refusal", "quote without its condition"]
)
def test_the_known_hazards_have_a_control(hazard: str) -> None:
    assert any(f"**{hazard}" in row[0] for row in rows(PAGES["safety"], "shown by"))
