"""The OpenAPI document as a page for people, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any


def page(schema: dict[str, Any]) -> str:
    info = schema["info"]
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )
    models = "".join(_model(name, model) for name, model in schema["components"]["schemas"].items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: HTTP</title>"
        '<link rel="stylesheet" href="/style.css">'
        f"<style>{_STYLE}</style></head>"
        f'<body class="reference"><main><h1>{escape(info["title"])}: HTTP</h1><p>{escape(info["description"])}</p>'
        '<p>For programs: <a href="/api/openapi.json">OpenAPI</a>; for language models, the tools <code>ask</code> and '
        "<code>search</code> over MCP at <code>/mcp</code>.</p>"
        f"<h2>Addresses</h2>{operations}<h2>Objects</h2>{models}</main></body></html>"
    )


_STYLE = """
.reference main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
.reference table { border-collapse: collapse; width: 100%; }
.reference th, .reference td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; }
.reference td { overflow-wrap: anywhere; }
"""


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    sent = f"<p>Send: {_kind(body)}</p>" if body else ""
    parameters = [
        (one["name"], f"{_kind(one['schema'])}{', needed' if one.get('required') else ''}", one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    answers = [
        (status, _kind(_content(response)), response["description"])
        for status, response in operation["responses"].items()
    ]
    return (
        f"<h3><code>{escape(method.upper())} {escape(path)}</code></h3>"
        f"<p>{escape(operation['summary'])} {escape(operation.get('description', ''))}</p>"
        f"{sent}{_table(('Parameter', 'Kind', ''), parameters)}{_table(('Status', 'Object', ''), answers)}"
    )


def _content(response: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = response.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _model(name: str, model: dict[str, Any]) -> str:
    needed = model.get("required", ())
    rows = [
        (field, f"{_kind(own)}{'' if field in needed else ', optional'}", own.get("description", ""))
        for field, own in model.get("properties", {}).items()
    ]
    about = f"<p>{escape(model['description'])}</p>" if "description" in model else ""
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{about}{_table(("Name", "Kind", ""), rows)}'


def _table(heads: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    """rows: name and description as text, what stands between as HTML."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(one)}</th>' if one else "<td></td>" for one in heads)
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{escape(about)}</td></tr>"
        for name, kind, about in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _kind(schema: dict[str, Any]) -> str:
    return " or ".join(_kinds(schema))


def _kinds(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        yield f'<a href="#{name}">{name}</a>'
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _kinds(one)
    elif "enum" in schema or "const" in schema:
        yield from (f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        yield f"list of {_kind(schema['items'])}"
    elif isinstance(schema.get("additionalProperties"), dict):
        yield f"object of {_kind(schema['additionalProperties'])}"
    else:
        bounds = [
            f"{word} {schema[name]}"
            for name, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
            if name in schema
        ]
        yield escape(" ".join((schema.get("type", "anything"), *bounds)))
