"""An evaluation for a person to read: as plain text, and as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.evaluate import Evaluation
from bot.evaluation.abstention import Asked, Excerpt, confidences
from bot.evaluation.comparison import Comparison
from bot.evaluation.ranking import MAIN
from bot.evaluation.statistics import Bin, Interval, risk_coverage
from bot.page import page, safe, short, table

WORST = 20
EXCERPT = 300
"""Characters of a text that is quoted in the report."""

_REFUSAL = {
    "AUROC": "Ranks an answerable question above an unanswerable one",
    "answered_when_answerable": "Answerable questions that got quotes",
    "answered_when_unanswerable": "Unanswerable questions that got quotes",
    "correct_when_answered": "First quote from a right document, of the answerable questions that got quotes",
}


# Plain text


def text(result: Evaluation) -> str:
    """All figures, with 95% intervals in brackets."""
    return "\n".join(_text(result))


def _text(result: Evaluation) -> Iterator[str]:
    found = result.to_dict()
    yield f"{found['dataset']}: {found['documents']} documents, {found['passages']} passages, {found['model']}"
    if result.metrics and result.intervals:
        yield f"\n{found['queries']} questions"
        yield from (_line(name, value, result.intervals[name]) for name, value in result.metrics.items())
    if found["unjudged"]:
        yield f"{found['unjudged']} questions were left out: nothing is judged for them"
    if refusal := result.abstention:
        yield f"\n{refusal.answerable} answerable and {refusal.unanswerable} unanswerable questions"
        values = refusal.to_dict()
        yield from (_line(name, values[name], refusal.intervals[name]) for name in _REFUSAL)
        yield f"  {'ECE':28} {refusal.ece:.4f}  (by chance alone {refusal.ece_by_chance:.4f})"
        for name, kind in refusal.kinds.items():
            yield f"  {name:28} {kind.questions} questions, AUROC {kind.auroc:.4f}, answered {kind.answered:.4f}"
    if highlights := found["highlights"]:
        yield f"\n{highlights.pop('questions')} questions with their sentences marked"
        yield from (f"  {name:28} {value:.4f}" for name, value in highlights.items())
    if result.comparison:
        yield from _compared(result.comparison)
    yield f"\nindex {found['seconds']['index']} s, questions {found['seconds']['queries']} s"
    if latency := found["latency_ms"]:
        yield f"an answer takes {latency['p50']} ms (median), {latency['p95']} ms (95%)"


def _line(name: str, value: float, interval: Interval) -> str:
    return f"  {name:28} {value:.4f}  [{interval[0]:.4f}, {interval[1]:.4f}]"


def _compared(comparison: Comparison) -> Iterator[str]:
    yield f"\nAgainst {comparison.run}"
    for name, change in comparison.metrics.items():
        counts = f"{change.wins} better, {change.ties} the same, {change.losses} worse"
        yield f"  {name:28} {change.difference:+.4f}  p = {change.p:.4f}  {counts}"
    if comparison.changed_most:
        yield f"The questions whose {MAIN} changed most"
    for moved in comparison.changed_most:
        yield f"  {moved.before:.3f} → {moved.now:.3f}  {moved.question.id}  {short(moved.question.text, 60)}"
        yield f"      first was {moved.first_before}, is {moved.first_now}"


def calibration(found: Mapping[str, Any]) -> str:
    """A calibration as `Calibrated.to_dict` gives it."""
    return "\n".join(_calibration(found))


def _calibration(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"intercept {found['intercept']}"
    yield from (f"  {name:20} {value}" for name, value in found["coefficients"].items())
    for title, rows in (("\nFitted on", found["fitted_on"]), ("\nFitted on the others", found.get("left_out", []))):
        yield from [title] if rows else []
        for row in rows:
            figures = (f"{name} {_number(row[name])}" for name in ("AUROC_correct", "AUROC", "ECE", "ECE_by_chance"))
            yield f"  {row['dataset']:20} {', '.join(figures)}"
    yield "\nThresholds: of 100 unanswerable questions, at most so many get quotes"
    for row in found["thresholds"]:
        shares = (
            f"{dataset} {kind} {share:.3f}"
            for dataset, kinds in row.get("answered", {}).items()
            for kind, share in kinds.items()
        )
        yield f"  {row['target_percent']:3} {_number(row['threshold'])}  {'; '.join(shares)}"


def alarms(found: Mapping[str, Any]) -> str:
    """A labelled file's figures, as `bot.evaluation.alarms` gives them, for a terminal."""
    return "\n".join(_alarms(found))


def _alarms(found: Mapping[str, Any]) -> Iterator[str]:
    def line(name: str, share: Mapping[str, Any] | None) -> str:
        if not share:
            return f"{name:24}      –"
        low, high = share["interval"]
        return f"{name:24} {share['share']:.3f}  [{low:.3f}, {high:.3f}]  of {share['of']}"

    figures = found["triage"]
    yield f"{found['dataset']}: {found['texts']} texts"
    yield line("recall (a card)", figures["recall"])
    yield from (line(f"  {label}", share) for label, share in figures["recall_by_label"].items())
    yield line("false immediate cards", figures["false_immediate"])
    yield line("false cards", figures["false_alarms"])
    for title, texts in (("missed", found["misses"]), ("false", found["false"])):
        yield from (f"{title} ({one['label']}, rule {one['rule'] or '–'}): {one['text']}" for one in texts)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


# HTML


def html(result: Evaluation) -> str:
    """The report. No script, and nothing remote: its policy forbids both. Equal figures give equal bytes."""
    body = "\n".join(part for section in _SECTIONS for part in section(result))
    return page(f"{result.dataset.name}: evaluation", body, _STYLE)


def _head(result: Evaluation) -> Iterator[str]:
    found = result.to_dict()
    yield f"<h1>{safe(found['dataset'])}</h1>"
    counts = [f"{found['documents']:,} documents", f"{found['passages']:,} passages"] if found["documents"] else []
    if refusal := result.abstention:
        counts += [f"{refusal.answerable:,} answerable and {refusal.unanswerable:,} unanswerable questions"]
    elif found["queries"]:
        counts += [f"{found['queries']:,} questions"]
    if latency := found["latency_ms"]:
        counts += [f"an answer in {latency['p50']} ms (95%: {latency['p95']} ms)"]
    yield f"<p class=about>{safe(' · '.join([*counts, found['model']]))}</p>"


def _retrieval(result: Evaluation) -> Iterator[str]:
    if not result.metrics or not result.intervals:
        return
    yield "<h2>Does it find the right document?</h2>"
    yield _figures((name, "", value, result.intervals[name]) for name, value in result.metrics.items())


def _figures(rows: Iterable[tuple[str, str, float, Interval]]) -> str:
    """Name, meaning, value and interval of each."""
    cells = [
        [
            f"<b>{safe(name)}</b>" + (f"<small>{safe(meaning)}</small>" if meaning else ""),
            f"{value:.3f}",
            f"{interval[0]:.3f} – {interval[1]:.3f}",
            _gauge(value, interval),
        ]
        for name, meaning, value, interval in rows
    ]
    return table(("Figure", "Mean", "95% interval", "0 to 1"), cells, numbers=(1, 2))


def _gauge(value: float, interval: Interval) -> str:
    low, high = (f"{200 * bound:.1f}" for bound in interval)
    return (
        '<svg class=gauge viewBox="-4 0 208 14" width=208 height=14 aria-hidden=true>'
        "<line class=track x1=0 x2=200 y1=7 y2=7 /><line class=axis x1=0 x2=0 y1=2 y2=12 />"
        "<line class=axis x1=200 x2=200 y1=2 y2=12 />"
        f"<line class=interval x1={low} x2={high} y1=7 y2=7 /><circle class=dot cx={200 * value:.1f} cy=7 r=4 /></svg>"
    )


def _refusal(result: Evaluation) -> Iterator[str]:
    refusal = result.abstention
    if not refusal:
        return
    yield "<h2>Does it know when there is no answer?</h2>"
    values = refusal.to_dict()
    yield _figures((name, meaning, values[name], refusal.intervals[name]) for name, meaning in _REFUSAL.items())
    rows = [
        [safe(name), f"{kind.questions:,}", f"{kind.auroc:.3f}", f"{kind.answered:.1%}"]
        for name, kind in refusal.kinds.items()
    ]
    yield table(("Unanswerable because", "Questions", "AUROC", "Got quotes"), rows, numbers=(1, 2, 3))


def _confidence(result: Evaluation) -> Iterator[str]:
    if not result.asked:
        return
    yield "<h2>Can its confidence be believed?</h2><div class=charts>"
    yield _risk_chart(result.asked)
    yield _reliability_chart(result.bins)
    yield "</div>"
    if refusal := result.abstention:
        yield (
            f"<p>Expected calibration error {refusal.ece:.3f}; perfect confidences would show "
            f"{refusal.ece_by_chance:.3f} over so many questions.</p>"
        )


def _risk_chart(asked: Sequence[Asked]) -> str:
    confidence, correct = confidences(asked)
    curve = [(coverage, risk) for _, coverage, risk in risk_coverage(confidence, correct)]
    answered = [one for one in asked if one.answered]
    top = next(limit for limit in (0.1, 0.2, 0.5, 1.0) if max(risk for _, risk in curve) <= limit)
    points = " ".join(f"{_x(coverage)},{_y(risk / top)}" for coverage, risk in curve)
    drawn = f'<polyline class=curve points="{points}" />'
    note = "No question got quotes."
    if answered:
        coverage = len(answered) / len(asked)
        risk = sum(not one.correct for one in answered) / len(answered)
        drawn += f"<circle class=dot cx={_x(coverage)} cy={_y(risk / top)} r=5 />"
        note = (
            f"The dot is the threshold in use: {coverage:.1%} of all questions get quotes, {risk:.1%} of these wrongly."
        )
    return _chart(
        "Risk and coverage", "share of questions that get quotes", "share of these that are wrong", drawn, note, top
    )


def _reliability_chart(bins: Sequence[Bin]) -> str:
    drawn = f"<line class=ideal x1={_x(0)} y1={_y(0)} x2={_x(1)} y2={_y(1)} />"
    drawn += "".join(f"<circle class=dot cx={_x(b.confidence)} cy={_y(b.correct)} r=4 />" for b in bins)
    note = (
        "Each dot is the same number of questions. On the line, confidence is the share that is right; below, too sure."
    )
    return _chart("Reliability", "confidence", "share whose best passage is right", drawn, note, 1.0)


def _chart(title: str, across: str, up: str, drawn: str, note: str, top: float) -> str:
    """Axes from 0 to 1 across and 0 to `top` up, around what is drawn."""
    quarters = (0, 0.25, 0.5, 0.75, 1)
    grid = "".join(
        f"<line class=grid x1={_x(0)} x2={_x(1)} y1={_y(q)} y2={_y(q)} />"
        f"<text x={_X0 - 8} y={float(_y(q)) + 4:.1f} text-anchor=end>{q * top:.3g}</text>"
        f"<text x={_x(q)} y={_Y0 + _SIDE + 18} text-anchor=middle>{q:g}</text>"
        for q in quarters
    )
    middle = _Y0 + _SIDE / 2
    labels = (
        f"<text x={_X0 + _SIDE / 2} y={_Y0 + _SIDE + 38} text-anchor=middle>{across}</text>"
        f'<text x=14 y={middle} text-anchor=middle transform="rotate(-90 14 {middle})">{up}</text>'
    )
    return (
        f'<figure><figcaption>{title}</figcaption><svg viewBox="0 0 360 340" role=img aria-label="{title}. {note}">'
        f"{grid}{drawn}{labels}</svg><p>{note}</p></figure>"
    )


_X0, _Y0, _SIDE = 60, 14, 280


def _x(share: float) -> str:
    return f"{_X0 + _SIDE * share:.1f}"


def _y(share: float) -> str:
    return f"{_Y0 + _SIDE * (1 - share):.1f}"


def _highlights(result: Evaluation) -> Iterator[str]:
    if not result.highlights:
        return
    found = result.highlights.to_dict()
    yield "<h2>Does it mark the right sentences?</h2>"
    yield table(
        tuple(safe(name) for name in found),
        [[f"{n:,}" if isinstance(n, int) else f"{n:.3f}" for n in found.values()]],
        numbers=range(4),
    )


def _comparison(result: Evaluation) -> Iterator[str]:
    comparison = result.comparison
    if not comparison:
        return
    yield f"<h2>What changed against {safe(comparison.run)}?</h2>"
    rows = [
        [
            safe(name),
            f"{change.before:.3f}",
            f"{change.before + change.difference:.3f}",
            f"{change.difference:+.4f}",
            f"{change.p:.4f}",
            f"{change.wins} / {change.ties} / {change.losses}",
        ]
        for name, change in comparison.metrics.items()
    ]
    yield table(("Figure", "Before", "Now", "Difference", "p", "Better / same / worse"), rows, numbers=range(1, 6))
    moved = [
        [
            _question(m.question.id, m.question.text),
            f"{m.before:.3f}",
            f"{m.now:.3f}",
            safe(m.first_before or "–"),
            safe(m.first_now or "–"),
        ]
        for m in comparison.changed_most
    ]
    if moved:
        yield f"<h3>The questions whose {MAIN} changed most</h3>"
        yield table(("Question", "Before", "Now", "First was", "First is"), moved, numbers=(1, 2))


def _worst(result: Evaluation) -> Iterator[str]:
    worst = sorted((one for one in result.asked if one.answerable), key=lambda one: one.values[MAIN])
    worst = [one for one in worst[:WORST] if one.values[MAIN] < 1]
    if worst:
        yield "<h2>The worst questions</h2>"
        yield "".join(map(_missed, worst))


def _missed(one: Asked) -> str:
    did = "got quotes" if one.answered else "was refused"
    facts = f"{MAIN} {one.values[MAIN]:.3f} · {did} · confidence {one.confidence:.2f}"
    expected = "".join(map(_excerpt, one.expected[:3])) or "<p>nothing: no document is judged to answer it</p>"
    more = f"<p>and {len(one.expected) - 3} more</p>" if len(one.expected) > 3 else ""
    return (
        f"<article><h3>{_question(one.question.id, one.question.text)}</h3><p class=about>{facts}</p>"
        f"<div class=pair><div><h4>Found first</h4>{_excerpt(one.found) if one.found else '<p>nothing</p>'}</div>"
        f"<div><h4>Should have been</h4>{expected}{more}</div></div></article>"
    )


def _overconfident(result: Evaluation) -> Iterator[str]:
    wrong = sorted(
        (one for one in result.asked if one.answered and not one.answerable), key=lambda one: -one.confidence
    )
    if not wrong:
        return
    yield f"<h2>Unanswerable, but got quotes</h2><p class=about>{len(wrong):,} questions, the most confident first</p>"
    for one in wrong[:WORST]:
        facts = f"{one.question.kind or 'kind not given'} · confidence {one.confidence:.2f}"
        quoted = _excerpt(one.found) if one.found else ""
        title = _question(one.question.id, one.question.text)
        yield f"<article><h3>{title}</h3><p class=about>{safe(facts)}</p>{quoted}</article>"


def _question(id: str, text: str) -> str:
    return f"{safe(short(text, 2 * EXCERPT))} <small>{safe(id)}</small>"


def _excerpt(found: Excerpt) -> str:
    title = f"{found.title} [{found.item}]" if found.title != found.item else found.item
    return f"<blockquote><cite>{safe(short(title, EXCERPT))}</cite>{safe(short(found.text, EXCERPT))}</blockquote>"


_SECTIONS = (_head, _retrieval, _refusal, _confidence, _highlights, _comparison, _worst, _overconfident)

_STYLE = """
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:2rem}
figure{margin:0}figcaption{font-weight:600}figure svg{width:100%;max-width:26rem;height:auto}
figure p{color:var(--soft);font-size:.875rem}
svg text{fill:var(--soft);font-size:12px}.grid,.track{stroke:var(--line)}.axis{stroke:var(--soft)}
.interval{stroke:var(--mark);stroke-width:4;opacity:.45}.dot{fill:var(--mark)}
.curve{fill:none;stroke:var(--mark);stroke-width:2}.ideal{stroke:var(--soft);stroke-dasharray:4 4}
@media print{figure{break-inside:avoid}}
"""
