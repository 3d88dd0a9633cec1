"""The layers: imports point one way, and each heavy library lives in one module."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

# Each module may import those before its own row's end, as docs/architecture.md draws them.
ORDER = [
    ["errors", "patterns", "regions"],
    ["config"],
    ["texts", "loaders", "timings", "tables", "sentences", "page", "points", "shown", "redact", "database", "charts"],
    ["documents", "quality", "embed", "lexical", "triage"],
    ["corpus", "generations", "passages", "pictures", "spelling", "glossary", "followup", "quantities", "compiled"],
    ["originals", "export", "query", "vectors", "engine", "records"],
    ["drafts", "local", "building"],
    ["milvus"],
    ["index"],
    ["retrieve", "check", "watch", "inventory", "consistency"],
    ["confidence", "highlights"],
    ["answer", "publishing", "surveys"],
    ["bot", "store", "accounts"],
    ["asked", "explain"],
    ["evaluation"],
    ["evaluate"],
    ["ui"],
    ["report", "ingest_report"],
    ["cli"],
    ["__main__"],
]
ONLY_IN = {
    "sentence_transformers": {"embed"},
    "torch": {"embed", "export"},
    "onnxruntime": {"compiled"},
    "tokenizers": {"compiled", "export"},
    "transformers": {"embed"},
    "faiss": {"vectors"},
    "grpc": {"milvus"},
    "pymilvus": {"milvus"},
    "Stemmer": {"lexical"},
    "gradio": {"ui"},
    "fastapi": {"ui"},
    "uvicorn": {"ui"},
    "socket": {"ui"},
    "pypdfium2": {"loaders"},
    "selectolax": {"loaders"},
    "lxml": {"loaders"},
    "yaml": {"loaders"},
    "py3langid": {"quality"},
    "syllapy": {"quality"},
    "watchfiles": {"watch"},
    "sqlalchemy": {"accounts", "database", "store"},
    "argon2": {"accounts"},
    "zxcvbn": {"accounts"},
    "jinja2": {"ui"},
    "mcp": {"ui"},
    "mcp_types": {"ui"},
    "prometheus_client": {"ui"},
    "pydantic": {"ui"},
    "starlette": {"ui"},
}
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "joblib", "requests", "urllib.request"}
FILES = sorted((ROOT / "bot").rglob("*.py"))


def room(path: Path) -> str:
    """``bot/loaders/text.py`` belongs to ``loaders``."""
    return path.relative_to(ROOT / "bot").parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    if room(path) == "__init__":
        return  # names the public classes and imports them on demand
    rank = {name: row for row, names in enumerate(ORDER) for name in names}
    assert room(path) in rank, "draw the new module in docs/architecture.md and here"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "bot" and len(parts) > 1 and parts[1] in rank and parts[1] != room(path):
            assert rank[parts[1]] < rank[room(path)], f"{room(path)} imports {parts[1]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    for name in imported(path):
        assert room(path) in ONLY_IN.get(name.split(".")[0], {room(path)}), f"{name} in {path}"
        assert name not in FORBIDDEN, f"{name} in {path}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_goes_through_a_shell_and_no_statement_is_put_together(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        assert called not in ("system", "popen"), f"{path}:{node.lineno}"
        assert not (isinstance(node.func, ast.Name) and called in ("eval", "exec")), f"{path}:{node.lineno}"
        assert not any(keyword.arg == "shell" for keyword in node.keywords), f"{path}:{node.lineno}"
        if room(path) in ONLY_IN["sqlalchemy"] and called in ("exec_driver_sql", "text"):
            built = (ast.JoinedStr, ast.BinOp, ast.Call)
            assert not any(isinstance(part, built) for part in ast.walk(node.args[0])), f"{path}:{node.lineno}"


def test_the_corpus_holds_documents_and_nothing_else() -> None:
    assert {path.suffix for path in (ROOT / "corpus").rglob("*") if path.is_file()} <= {
        ".txt",
        ".md",
        ".jsonl",
        ".toml",
    }
