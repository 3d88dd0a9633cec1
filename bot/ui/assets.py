"""Gradio's own files that the chat's page loads: found when the server starts, named in the page so that a browser
fetches them all at once and not in chains, and kept in memory, compressed once.

Vite, which builds Gradio's page, writes into each module what it imports and, in a list, which modules and styles it
loads later. What is not found here is loaded all the same, later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from bot.ui.files import File

_ENTRY = re.compile(r'<script type="module"[^>]* src="\./(assets/[^"]+\.js)"')
_STYLE = re.compile(r'<link rel="stylesheet"[^>]* href="\./(assets/[^"]+\.css)"')
_IMPORTS = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')
_LATER = re.compile(r"__vite__mapDeps=.*?\(m\.f=(\[[^\]]*\])", re.DOTALL)
_LOADED = re.compile(r"import\(`\./([\w.-]+)`\)[^`]{0,80}?__vite__mapDeps\(\[([\d,]*)\]\)", re.DOTALL)
_NAMES = re.compile(r'"\./([\w.-]+)"')
_ALWAYS = ("column", "state")
"""The types of what holds all the parts, and of what endpoints take."""
_BLOCKS = "Blocks-"
"""How the name begins of the module that shows a page of parts; others show a login and the like."""
_THEME = re.compile(r'"theme_hash": ?"(\w+)"')


def found(frontend: Path, types: Iterable[str]) -> list[str]:
    """The modules and styles, as paths below `frontend`, of a page with parts of these types; the entry comes first."""
    page = (frontend / "index.html").read_text(encoding="utf-8")
    entries = _ENTRY.findall(page)
    assets = frontend / "assets"
    texts: dict[str, str] = {}
    wanted = [entry.removeprefix("assets/") for entry in entries]
    parts = {*types, *_ALWAYS}
    while wanted:
        name = wanted.pop(0)
        if name in texts or not (assets / name).is_file():
            continue
        texts[name] = text = (assets / name).read_text(encoding="utf-8")
        if name.endswith(".js"):
            wanted += [*_IMPORTS.findall(text), *_later(text, parts, every=f"assets/{name}" in entries)]
    return [*dict.fromkeys([*(f"assets/{name}" for name in texts), *_STYLE.findall(page)])]


def _later(text: str, parts: Collection[str], *, every: bool) -> list[str]:
    """What a module loads for these parts, or in every case."""
    listed = _LATER.search(text)
    if listed is None:
        return []
    names = _NAMES.findall(listed[1])
    if every:
        return names
    of_part = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, parts)))}):{{.*?}}(?=,\w+:{{|}})", re.DOTALL)
    regions = [match.span() for match in of_part.finditer(text)]
    loaded = [
        match[2].split(",")
        for match in _LOADED.finditer(text)
        if match[1].startswith(_BLOCKS) or any(first <= match.start() < last for first, last in regions)
    ]
    return [names[int(index)] for indices in loaded for index in indices if index and int(index) < len(names)]


def kept(frontend: Path, paths: Iterable[str]) -> Mapping[str, File]:
    """By address. Their names have their version in them."""
    types = {".js": "text/javascript", ".css": "text/css"}
    return {
        f"/{path}": File((frontend / path).read_bytes(), types[Path(path).suffix], lasting=True)
        for path in paths
        if Path(path).suffix in types
    }


def theme(page: str) -> str:
    """The address of the theme's style, made as Gradio's script makes it; empty: none is known."""
    version = _THEME.search(page)
    return f"theme.css?v={version[1]}" if version else ""
