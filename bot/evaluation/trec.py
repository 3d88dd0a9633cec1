"""Run and judgement files that trec_eval and its kin read: columns apart by one space, a line a result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from bot.errors import UsageError

TAG = "plainquote"
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f-\x9f%]")

Ranking = Sequence[tuple[str, float]]
"""Items with their scores, best first."""


def ordered(scores: Mapping[str, float], most: int) -> tuple[tuple[str, float], ...]:
    """The best `most` items, best first; equal scores as trec_eval has them, the later id first, so that
    our figures and those of any other reader of the run agree."""
    return tuple(sorted(((item, scores[item]) for item in scores), key=lambda pair: (pair[1], pair[0]))[::-1][:most])


def write_run(path: Path, rankings: Mapping[str, Ranking]) -> None:
    """``qid Q0 docid rank score tag`` a line. White space, control characters and ``%`` in an id are
    written as in a URL (``%20``); `read_run` turns them back."""
    _write(
        path,
        [
            f"{_safe(question)} Q0 {_safe(item)} {rank} {score:.6f} {TAG}\n"
            for question, ranking in rankings.items()
            for rank, (item, score) in enumerate(ranking, start=1)
        ],
    )


def write_qrels(path: Path, judgements: Mapping[str, Mapping[str, int]]) -> None:
    """``qid 0 docid grade`` a line, ids escaped as in a run."""
    lines = [
        f"{_safe(q)} 0 {_safe(item)} {grade}\n" for q, judged in judgements.items() for item, grade in judged.items()
    ]
    _write(path, lines)


def read_run(path: Path) -> dict[str, tuple[tuple[str, float], ...]]:
    """Rankings by question, ordered by score as trec_eval does, whatever the ranks in the file say."""
    scores: dict[str, dict[str, float]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the run {path} cannot be read: {error}", remedy="Check the path.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question, _, item, _, score, _ = line.split()
            value = float(score)
        except ValueError as error:
            raise UsageError(
                f"{path} line {number} is no line of a TREC run",
                remedy="Each line has six columns: qid Q0 docid rank score tag.",
            ) from error
        scores.setdefault(unquote(question), {})[unquote(item)] = value
    return {question: ordered(found, len(found)) for question, found in scores.items()}


def _safe(id: str) -> str:
    return _UNSAFE.sub(lambda found: quote(found.group(), safe=""), id)


def _write(path: Path, lines: Sequence[str]) -> None:
    try:
        path.write_text("".join(lines), encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", remedy="Check the path.") from error
