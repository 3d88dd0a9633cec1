"""The look and the safety of the reports: one HTML file each that loads nothing from elsewhere."""

from __future__ import annotations

import html as markup
from collections.abc import Iterable, Sequence

# Controls, halves of surrogate pairs, and the marks that turn the direction of what follows.
_UNPRINTABLE = (
    *range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
)  # fmt: skip
_CHARS = str.maketrans({chr(code): "\ufffd" for code in _UNPRINTABLE})


def page(title: str, body: str, style: str) -> str:
    """A whole page: `body` is markup, `style` what it needs beside the common look. No script and nothing remote: the
    page's policy forbids both. Equal parts give equal bytes.
    """
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{safe(title)}</title><style>{_STYLE}{style.lstrip()}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def plain(text: object) -> str:
    """`text` with every character that could command a terminal or turn a line round drawn as �."""
    return str(text).translate(_CHARS)


def safe(text: object) -> str:
    """`plain` text for any place in the page."""
    return markup.escape(plain(text))


def short(text: str, length: int) -> str:
    """One line of `length` characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int], name: str = "") -> str:
    """Cells are markup already; `numbers` are the columns set in figures of one width. A table with a `name` can be
    reached and scrolled by keyboard.
    """
    right = dict.fromkeys(numbers, " class=number")
    heads = "".join(f"<th scope=col{right.get(at, '')}>{cell}</th>" for at, cell in enumerate(head))
    lines = (
        "<tr>" + "".join(f"<td{right.get(at, '')}>{cell}</td>" for at, cell in enumerate(row)) + "</tr>" for row in rows
    )
    region = f" role=region tabindex=0 aria-label='{safe(name)}'" if name else ""
    return (
        f"<div class=scroll{region}><table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2326;--soft:#566166;--paper:#fff;--card:#f4f6f6;--line:#d5dbdc;--mark:#0b6e75}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaea;--soft:#a3afb2;--paper:#14191b;--card:#1e2528;--line:#39444a;
--mark:#5cc4cb}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{margin:0;overflow-wrap:anywhere}h2{margin:3rem 0 .75rem;font-size:1.3rem}
h3{margin:0 0 .25rem;font-size:1rem;overflow-wrap:anywhere}
h4{margin:.5rem 0 .25rem;font-size:.8rem;color:var(--soft);font-weight:600}
.about,small{color:var(--soft);font-size:.875rem}.about{margin:.25rem 0 .75rem}small{font-weight:400}
.scroll{overflow-x:auto;margin-bottom:1.25rem}table{border-collapse:collapse;width:100%}
th,td{padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:middle}
thead th{color:var(--soft);font-size:.8rem;font-weight:600}td small{display:block}
.number{font-variant-numeric:tabular-nums;white-space:nowrap}
article{background:var(--card);border-radius:.5rem;padding:1rem 1.25rem;margin:0 0 1rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:0 1.5rem}
blockquote{margin:0 0 .5rem;overflow-wrap:anywhere;font-size:.925rem}
cite{display:block;font-style:normal;color:var(--soft);font-size:.8rem}
@media print{article{break-inside:avoid}}
"""
