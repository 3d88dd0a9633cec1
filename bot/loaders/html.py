"""HTML: the main content of a page, read block by block; menus, banners and what the page hides stay out.

Nothing is ever fetched, and no style sheet or script is read.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from bot.loaders import Extracted, Note, Unreadable
from bot.loaders.encoding import decode, guess_note
from bot.loaders.frontmatter import valid
from bot.loaders.writing import Writer, looks_headed, one_line

# Encoding

_DECLARATION = re.compile(
    rb"""<meta\s[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]+)|\A\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_DECLARED_WITHIN = 4096
# As browsers read the names; the codecs that they do not know, such as unicode_escape, are not for documents.
_MEANT = {
    **dict.fromkeys(("ascii", "iso8859-1", "cp1252"), "cp1252"),
    **dict.fromkeys(("iso8859-9", "cp1254"), "cp1254"),
    **dict.fromkeys(("iso8859-11", "tis-620", "cp874"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
    **dict.fromkeys(("shift_jis", "cp932"), "cp932"),
    **dict.fromkeys(("euc_kr", "cp949"), "cp949"),
    **dict.fromkeys(("big5", "big5hkscs"), "big5hkscs"),
    **{name: name for name in ("euc_jp", "iso2022_jp", "koi8-r", "koi8-u", "cp866", "mac-roman", "utf-8")},
    **{name: name for name in (f"cp125{n}" for n in (0, 1, 3, 5, 6, 7, 8))},
    **{name: name for name in (f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16))},
}

# Nesting

_ATTRIBUTE = r"""[\s/]*+[^\s/>=][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+))?+"""
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_TAG = re.compile(
    r"<!--(?:[^-]|-(?!->))*+(?:-->)?|<(?:script|style)\b(?:[^<]|<(?!/(?:script|style)\b))*+"
    rf"|<(?P<end>/?)(?P<name>[a-z][^\s/>]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)",
    re.IGNORECASE,
)
_MANY_CHARACTERS = 5_000
_MOST_ATTRIBUTES = 1_000
_VOID = frozenset("area base br col embed frame hr img input link meta param source track wbr".split())
_CLOSED_BY_OTHERS = frozenset("html head body p li dt dd tr td th thead tbody tfoot option colgroup".split())
_DEEP = 200
_MOST_STEPS = 20_000_000
"""The parser looks through the open elements at most tags, so that the depth times the tags is what it costs."""
_SELF_CLOSED = re.compile(r"<([a-z][\w:-]*+)([^<>]*+)(?<=/)>", re.IGNORECASE)

# Which elements are what

_UNSEEN = frozenset(
    """head script style noscript template iframe object embed svg canvas audio video map dialog menu select textarea
    datalist meter progress annotation annotation-xml noframes noembed""".split()
)
_SCRIPTS = {"msup": ("sup",), "msub": ("sub",), "msubsup": ("sub", "sup")}
_STRUCK = frozenset({"del", "s", "strike"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    """address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure footer
    form header hgroup hr html legend li listing main nav ol p pre search section summary table tbody td tfoot th thead
    tr ul xmp""".split()
)
_TYPED = frozenset({"", "text", "email", "password", "search"})
_VERBATIM = frozenset({"pre", "listing", "xmp"})
_CONTAINERS = frozenset({"body", "div", "section", "article", "center", "form"})
_CONTENT = frozenset({"main", "article"})
_ROLES_OUT = frozenset("navigation search dialog alertdialog menu menubar toolbar".split())
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LINE_THROUGH = re.compile(r"line-through", re.IGNORECASE)
_INVISIBLE = re.compile("[\u00ad\u200b\ufeff]")
_BLANKS = re.compile(r"[ \t\r\n\f]+")

# Words of classes and ids. Alone they prove little: "consent", "social" and "menu" are a clinic's words too.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_COOKIE_VENDORS = re.compile(
    r"onetrust|cookiebot|cookie-?consent|usercentrics|didomi|truste|osano|cky-|cmplz|iubenda|qc-cmp|sp_message"
)
_ALWAYS_OUT = re.compile(
    r"""(?:\b|_)(?:bread-?crumbs?|skip-?(?:link|nav)s?|adsbygoogle|adverts?|advertisements?|ad-(?:slot|unit|container
    |wrapper|banner)s?|adthrive|taboola|outbrain|addthis|sharedaddy|sharethis|mw-editsection
    |navbox|hatnote|printfooter|catlinks|siteSub|mw-jump-link|pagination|jp-relatedposts)(?:\b|_)""",
    re.IGNORECASE | re.VERBOSE,
)
_COMMENTS = re.compile(r"\b(?:comments-area|comment-?list|comment-?respond|disqus)\b")
_MENU_WORDS = frozenset(
    """nav navbar navigation menu submenu toc related recommended recommendations trending sidebar footer masthead pager
    tags tagcloud promo sponsored widget widgets""".split()
)
_SHARE_WORDS = frozenset({"share", "sharing", "social"})
_COMMENT_IDS = frozenset({"comments", "respond", "disqus_thread"})
_SIGN_UP_WORDS = frozenset("newsletter subscribe subscription signup login signin mailing".split())
_SKIP_TO = re.compile(r"(?:skip|jump) to\b", re.IGNORECASE)
_SHORT = 60
_BANNER = 3000
_LINKS = 0.5
"""From this share of linked text on, an element may be a menu."""
_MAIN_SHARE = 0.25
_BLOCK_SHARE = 0.95

# Tables and lists

_MOST_COLUMNS = 200
_MOST_REPEATED = 100_000
_LONGEST_HEADS = 2_000
_LONG_CELL = 1_000
_DEEPEST_INDENT = 8
_LONGEST_TERM = 500

_LIST_TYPES = {
    "lower-alpha": "a",
    "lower-latin": "a",
    "upper-alpha": "A",
    "upper-latin": "A",
    "lower-roman": "i",
    "upper-roman": "I",
}
_LIST_STYLE = re.compile("|".join(_LIST_TYPES))
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)

# What is set higher or lower

_RAISED_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_RAISED = _RAISED_DIGITS | str.maketrans("+-−()abcdefghijklmnoprstuvwxyz", "⁺⁻⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_RAISABLE = re.compile(r"[+\-−–]?[0-9]*[+\-−]?|[+\-−–]?[a-pr-z]")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_MOST_RAISED = 3
_ORDINALS = frozenset("st nd rd th er re ère ème".split())
_AFTER_NUMERATOR = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹][/⁄]\Z")

# Metadata

_META = {
    "author": "author",
    "dc.creator": "author",
    "dcterms.creator": "author",
    "article:author": "author",
    "version": "version",
    "date": "created",
    "dc.date": "created",
    "dcterms.created": "created",
    "article:published_time": "created",
    "article:modified_time": "modified",
    "last-modified": "modified",
    "dcterms.modified": "modified",
    "reviewed": "reviewed",
    "last-reviewed": "reviewed",
    "last_reviewed": "reviewed",
    "review-date": "reviewed",
    "next-review": "next_review",
    "next_review": "next_review",
    "next-review-date": "next_review",
    "og:url": "source",
}
_JSON_LD = {
    "lastReviewed": "reviewed",
    "dateModified": "modified",
    "datePublished": "created",
    "author": "author",
    "inLanguage": "language",
    "version": "version",
    "license": "licence",
}
_JSON_LD_TYPES = re.compile(r"(?:Web|About|FAQ|Item)Page|Article|BlogPosting|Report")
_MOST_JSON = 200_000
_MOST_NODES = 200
_LONGEST_TYPE = 300
_SITE_NAME = re.compile(r"\s+(?:[|·»:–—-]|::)\s+\S")


@dataclass(slots=True, eq=False)
class _Element:
    """An element with what its subtree holds, in characters of text: `length` in all, `linked` inside links."""

    tag: str
    attributes: Mapping[str, str]
    parent: _Element | None
    role: str = ""
    children: list[_Element | str] = field(default_factory=list)
    out: bool = False
    length: int = 0
    linked: int = 0
    h1s: int = 0
    inputs: int = 0
    headings: int = 0
    tables: int = 0
    bold: int = 0
    in_content: bool = False

    @property
    def level(self) -> int | None:
        """Of a heading, else None."""
        if self.role != "heading":
            return _HEADINGS.get(self.tag)
        level = self.attributes.get("aria-level", "")
        return int(level) if level.isdecimal() and len(level) < 3 and int(level) else 2

    @property
    def linky(self) -> bool:
        return self.linked > _LINKS * self.length

    def within(self, tags: frozenset[str] | Mapping[str, int]) -> bool:
        """Whether an element around this one has one of the tags."""
        around = self.parent
        while around is not None:
            if around.tag in tags:
                return True
            around = around.parent
        return False


@dataclass(frozen=True, slots=True)
class _Page:
    """The elements in document order, the first being the root; what the head says; how many parts were struck."""

    elements: Sequence[_Element]
    title: str
    metadata: Mapping[str, str]
    struck: int


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    html, note = _decoded(data)
    if note:
        yield note
    if html.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        html = _SELF_CLOSED.sub(_closed, html)
    _refuse_overload(html)
    page = _parse(html)
    if not any(element.length for element in page.elements):
        raise Unreadable("no text")
    if page.struck:
        yield Note(f"left out text that is struck through ({page.struck} times)")
    roots = _main_content(page.elements)
    reader = _Reader()
    for root in roots:
        reader.read(root)
    extracted = reader.writer.extracted()
    if not extracted.text:
        raise Unreadable("no text")
    first = next((heading.text for heading in extracted.headings if heading.level == 1), "")
    yield reader.writer.extracted(title=_title(page.title, first), metadata=page.metadata)


def _decoded(data: bytes) -> tuple[str, Note | None]:
    declared = _DECLARATION.search(data[:_DECLARED_WITHIN])
    if declared and data.lstrip()[:1] == b"<" and b"\0" not in data:
        name = (declared[1] or declared[2]).decode("ascii", "replace")
        try:
            codec = _MEANT.get(codecs.lookup(name).name)
            # Many a page that is declared as Latin-1 is UTF-8, and hardly any other text is valid UTF-8 by chance.
            if codec and (codec == "iso2022_jp" or not _is_utf8(data)):
                return data.decode(codec), None
        except (LookupError, UnicodeDecodeError):
            pass
    text, encoding, guessed = decode(data)
    return text, guess_note(encoding) if guessed else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _closed(tag: re.Match[str]) -> str:
    """``<a id="x"/>`` as XML means it; HTML would leave the element open."""
    return tag[0] if tag[1].lower() in _VOID else f"<{tag[1]}{tag[2][:-1]}></{tag[1]}>"


def _refuse_overload(html: str) -> None:
    """What the parser would take a time for that grows with the square of the file."""
    depth = steps = 0
    for match in _TAG.finditer(html):
        tag = (match["name"] or "").lower()
        if tag and tag not in _VOID and tag not in _CLOSED_BY_OTHERS:
            depth = max(0, depth - 1) if match["end"] else depth + 1
        if depth > _DEEP:
            steps += depth
        if steps > _MOST_STEPS:
            raise Unreadable("its elements are nested too deeply")
        attributes = match["attributes"] or ""
        if len(attributes) > _MANY_CHARACTERS and len(_ATTRIBUTES.findall(attributes)) > _MOST_ATTRIBUTES:
            raise Unreadable("an element with too many attributes")


# From the parser's tree to ours


def _parse(html: str) -> _Page:
    parser = LexborHTMLParser(html)
    root = _Element("html", {}, None)
    elements = [root]
    made: dict[int, _Element] = {}
    heads: list[tuple[str, dict[str, str], str]] = []
    struck = 0
    if parser.root is None:
        return _Page(elements, "", {}, 0)
    for node in parser.root.traverse(include_text=True):
        around = made.get(node.parent.mem_id) if node.parent else None
        if node.is_text_node:
            words = _INVISIBLE.sub("", node.text_content or "")
            if around is not None and words:
                around.children.append(words)
                around.length += len(words) - sum(map(len, _BLANKS.findall(words)))
        elif node.is_element_node:
            tag = (node.tag or "").lower()
            attributes = {name.lower(): value or "" for name, value in node.attributes.items()}
            if tag == "title" and node.parent and node.parent.tag != "head":
                continue  # of a drawing
            if tag in ("meta", "link", "title") or (tag == "script" and "ld+json" in attributes.get("type", "")):
                heads.append((tag, attributes, node.text() if tag in ("title", "script") else ""))
            elif tag == "html":
                made[node.mem_id] = root
                root.attributes = attributes
            elif around is None or tag in _UNSEEN:
                continue
            elif tag in _STRUCK or _LINE_THROUGH.search(attributes.get("style", "")):
                struck += bool(node.text().strip())
            else:
                made[node.mem_id] = element = _Element(
                    tag, attributes, around, attributes.get("role", "").strip().lower()
                )
                around.children.append(element)
                elements.append(element)
    for element in elements:
        _write_out(element)
    titles = [text for tag, _, text in heads if tag == "title"]
    _sum_up(elements)
    return _Page(elements, one_line(titles[0]) if titles else "", _metadata(root.attributes, heads), struck)


def _write_out(element: _Element) -> None:
    """MathML's fractions and powers, which without their layout would run together: ½ as 12."""
    parts = [child for child in element.children if isinstance(child, _Element)]
    if element.tag == "mfrac" and len(parts) == 2:
        above, below = ([part] if part.tag in ("mn", "mi") else ["(", part, ")"] for part in parts)
        element.children = [*above, "/", *below]
    elif element.tag in _SCRIPTS:
        for part, tag in zip(parts[1:], _SCRIPTS[element.tag], strict=False):
            part.tag = tag


def _sum_up(elements: Sequence[_Element]) -> None:
    """Adds what each element's subtree holds to the elements around it; `length` is of its own text before."""
    for element in reversed(elements):  # what is inside comes after
        if element.out:
            continue
        if element.tag == "a" and ("href" in element.attributes or "name" not in element.attributes):
            element.linked = element.length
        element.h1s += element.tag == "h1" and element.length > 0
        element.headings += bool(element.level and element.length)
        element.tables += element.tag == "table"
        if element.tag in ("b", "strong"):
            element.bold = element.length
        element.inputs += element.tag == "input" and element.attributes.get("type", "").lower() in _TYPED
        if element.parent is not None:
            element.parent.length += element.length
            element.parent.linked += element.linked
            element.parent.h1s += element.h1s
            element.parent.inputs += element.inputs
            element.parent.headings += element.headings
            element.parent.tables += element.tables
            element.parent.bold += element.bold


# What is content


def _main_content(elements: Sequence[_Element]) -> list[_Element]:
    """The elements that hold the content, in order; those inside that are none of it are marked `out`."""
    root = elements[0]
    controlled = {name for element in elements for name in element.attributes.get("aria-controls", "").split()}
    _mark(elements, lambda element: _is_hidden(element, root, controlled))
    _recount(elements)
    seen = [element for element in elements if not element.out]
    if not root.length:
        return [root]
    _mark(seen, lambda element: _is_boilerplate(element, root))
    _recount(seen)
    if not root.length:  # a page of nothing but links, say
        for element in seen:
            element.out = False
        return [root]
    content = [element for element in seen if not element.out]
    roots = _roots(content)
    h1s = [element for element in content if element.tag == "h1"]
    if len(h1s) == 1 and not any(_holds(chosen, h1s[0]) for chosen in roots):
        roots = [h1s[0], *roots]
    _drop_links_before(h1s, content)
    return roots


def _mark(elements: Sequence[_Element], is_out: Callable[[_Element], bool]) -> None:
    """From the outside in, so that what is inside an element that is out is out too."""
    for element in elements:
        around = element.parent
        if around is not None:
            element.in_content = around.in_content or around.tag in _CONTENT or around.role == "main"
            element.out = around.out or is_out(element)


def _recount(elements: Sequence[_Element]) -> None:
    for element in elements:
        texts = (child for child in element.children if isinstance(child, str))
        element.length = 0 if element.out else sum(len(_BLANKS.sub("", text)) for text in texts)
        element.linked = element.h1s = element.inputs = element.headings = element.tables = element.bold = 0
    _sum_up(elements)


def _is_hidden(element: _Element, root: _Element, controlled: set[str]) -> bool:
    attributes = element.attributes
    hidden = "hidden" in attributes and attributes["hidden"].lower() != "until-found"
    hidden = hidden or bool(_HIDDEN.search(attributes.get("style", "")))
    opens = attributes.get("id") in controlled or element.role == "tabpanel"
    if hidden and opens:  # a closed part that a button of the page opens
        return False
    hidden = hidden or attributes.get("aria-hidden", "").strip().lower() == "true"
    return hidden and element.length * 2 <= root.length  # a page saved while a dialog lay over it


def _is_boilerplate(element: _Element, root: _Element) -> bool:
    tag, role = element.tag, element.role
    if tag in ("html", "body", "main") or role == "main":
        return False
    if tag in ("nav", "search") or role in _ROLES_OUT:
        return tag == "nav" or not element.h1s
    if tag == "button":
        return not element.within(_HEADINGS) and not element.within(frozenset({"summary", "dt"}))
    if tag == "a" and _SKIP_TO.match(one_line(_inline(element)) if element.length < _SHORT else ""):
        return True
    if tag in ("header", "aside") or role in ("banner", "complementary"):
        return element.linky and not element.h1s
    if tag == "footer" or role == "contentinfo":
        return not element.h1s and (element.linky or not element.in_content) and not _mostly_prose(element, root)
    names = f"{element.attributes.get('class', '')} {element.attributes.get('id', '')}"
    return bool(names.strip()) and _is_named_boilerplate(element, names, root)


def _mostly_prose(element: _Element, root: _Element) -> bool:
    return not element.linky and element.length * 2 > root.length


def _is_named_boilerplate(element: _Element, names: str, root: _Element) -> bool:
    """By the words of its class and id, where its text does not speak against it."""
    lower = names.lower()
    words = frozenset(word.lower() for word in _WORD.findall(names))
    if element.h1s or element.tag == "article":
        return False
    if element.length < _BANNER and (_COOKIE_VENDORS.search(lower) or words & {"cookie", "cookies", "consent", "gdpr"}):
        return "cookie" in one_line(_inline(element)).lower()
    if _COMMENTS.search(lower) or element.attributes.get("id") in _COMMENT_IDS:
        return True
    if _mostly_prose(element, root):
        return False
    if _ALWAYS_OUT.search(lower) or ("noprint" in words and element.tag in _BLOCKS):
        return True
    if words & _SIGN_UP_WORDS and (element.inputs or element.length < _SHORT):
        return True
    if words & _SHARE_WORDS and element.length < _SHORT and element.linked:
        return True
    return element.linky and bool(words & (_MENU_WORDS | _SHARE_WORDS))


def _roots(content: Sequence[_Element]) -> list[_Element]:
    root = content[0]
    mains = _outermost(content, lambda element: element.tag == "main" or element.role == "main")
    if sum(element.length for element in mains) >= _MAIN_SHARE * root.length:
        return mains
    articles = _outermost(content, lambda element: element.tag == "article")
    plain = root.length - root.linked
    if articles and sum(element.length - element.linked for element in articles) >= _BLOCK_SHARE * plain:
        return articles
    chosen = root
    for element in content:  # a later one that holds enough is inside the earlier one
        if element.length - element.linked >= _BLOCK_SHARE * plain and element.tag in _CONTAINERS:
            chosen = element
    return [chosen]


def _outermost(content: Sequence[_Element], wanted: Callable[[_Element], bool]) -> list[_Element]:
    inside: set[int] = set()
    found: list[_Element] = []
    for element in content:
        if id(element.parent) in inside:
            inside.add(id(element))
        elif wanted(element):
            inside.add(id(element))
            found.append(element)
    return found


def _holds(outer: _Element, inner: _Element) -> bool:
    around: _Element | None = inner
    while around is not None and around is not outer:
        around = around.parent
    return around is not None


def _drop_links_before(h1s: Sequence[_Element], content: Sequence[_Element]) -> None:
    """A list of links above the only heading of the first level is a menu."""
    if len(h1s) != 1:
        return
    for element in content:
        if element is h1s[0]:
            return
        if element.tag in ("ul", "ol") and not element.h1s and element.linked > 0.9 * element.length:
            element.out = True


# What is written


class _Line:
    """Collects the words of one block; `verbatim`: its white space has a meaning."""

    def __init__(self, *, verbatim: bool = False) -> None:
        self._verbatim = verbatim
        self._parts: list[str] = []
        self._marks: list[int | None] = []  # where each open <sup> or <sub> begins
        self._sub = -1  # the part that was a <sub>, if it was the last one

    def text(self, words: str) -> None:
        if not self._verbatim:
            words = _BLANKS.sub(" ", words)
        if words[:1].isdigit() and self._sub == len(self._parts) - 1 >= 0:
            self._parts[-1] = self._parts[-1].translate(_LOWERED)
        self._append(words)

    def open(self, tag: str) -> None:
        if tag in ("sup", "sub"):
            self._marks.append(len(self._parts) if len(self._marks) < _MOST_RAISED else None)
        else:
            self._append({"br": "\n", "q": "“"}.get(tag, ""))

    def close(self, tag: str) -> None:
        if tag == "q":
            self._append("”")
        elif tag in ("sup", "sub") and self._marks and (start := self._marks.pop()) is not None:
            words = "".join(self._parts[start:])
            del self._parts[start:]
            before = "".join(self._parts[-2:])[-2:]
            self._append(_raised(words, before) if tag == "sup" else _lowered(words, before))
            self._sub = len(self._parts) - 1 if tag == "sub" else -1

    def take(self) -> str:
        words = "".join(self._parts)
        self._parts.clear()
        self._marks.clear()
        self._sub = -1
        return words

    def _append(self, words: str) -> None:
        if words:
            self._parts.append(words)


def _raised(words: str, before: str) -> str:
    """What is set higher, so that 10⁶ cannot be read as 106, nor a mark at a unit as a part of it."""
    bare = words.strip()
    if _RAISABLE.fullmatch(bare):
        return bare.replace("–", "-").translate(_RAISED)
    if before[-1:].isdigit():
        return f"^({bare})" if bare[:1].isalnum() and bare not in _ORDINALS else words
    return words if "[" in words else words.translate(_RAISED_DIGITS)


def _lowered(words: str, before: str) -> str:
    next_to_digit = before[-1:].isdigit() or _AFTER_NUMERATOR.search(before)
    return words.translate(_LOWERED) if next_to_digit else words


def _walk(
    root: _Element,
    opened: Callable[[_Element], bool],
    closed: Callable[[_Element], None],
    text: Callable[[str], None],
) -> None:
    """Calls back for all that is content, in order; `opened` says whether to go on inside. No depth is too deep."""
    stack: list[tuple[_Element | str, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if isinstance(node, str):
            text(node)
        elif done:
            closed(node)
        elif not node.out and opened(node):
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))


def _inline(element: _Element, *, verbatim: bool = False) -> str:
    """The words of an element as one block."""
    line = _Line(verbatim=verbatim)
    gap = "\n" if verbatim else " "

    def opened(inner: _Element) -> bool:
        if inner.tag in _BLOCKS:
            line.text(gap + ("• " if inner.tag == "li" else ""))
        line.text(_box(inner))
        line.open(inner.tag)
        return True

    def closed(inner: _Element) -> None:
        line.close(inner.tag)
        if inner.tag in _BLOCKS:
            line.text(gap)

    _walk(element, opened, closed, line.text)
    return line.take()


def _box(element: _Element) -> str:
    if element.tag != "input" or element.attributes.get("type", "").lower() not in ("checkbox", "radio"):
        return ""
    return "☑ " if "checked" in element.attributes else "☐ "


class _Numbers:
    """The marks of a numbered list's items."""

    def __init__(self, element: _Element) -> None:
        attributes = element.attributes
        items = sum(isinstance(child, _Element) and child.tag == "li" for child in element.children)
        self._step = -1 if "reversed" in attributes else 1
        self._next = _number(attributes.get("start"), items if self._step < 0 else 1)
        style = _LIST_STYLE.search(attributes.get("style", "").lower())
        self._type = _LIST_TYPES[style[0]] if style else attributes.get("type", "1")

    def mark(self, item: _Element) -> str:
        number = _number(item.attributes.get("value"), self._next)
        self._next = number + self._step
        return f"{_counted(number, self._type)}."


def _counted(number: int, style: str) -> str:
    if style in ("a", "A") and number > 0:
        letters = ""
        while number:
            number, letter = divmod(number - 1, 26)
            letters = chr(ord(style) + letter) + letters
        return letters
    if style in ("i", "I") and 0 < number < 4000:
        roman = ""
        for value, sign in _ROMAN:
            roman += sign * (number // value)
            number %= value
        return roman if style == "I" else roman.lower()
    return str(number)


def _number(text: str | None, default: int) -> int:
    found = _INTEGER.match(text or "")
    return int(found[0]) if found else default


@dataclass(slots=True)
class _Item:
    """An open item of a list. `mark` and `term` stand in front of its first block."""

    mark: str
    depth: int
    term: str = ""
    begun: bool = False


@dataclass(slots=True)
class _Terms:
    """The terms of an open list of definitions that the next definition is of."""

    words: list[str] = field(default_factory=list)
    defined: bool = False

    def add(self, words: str) -> None:
        if self.defined:
            self.words.clear()
        self.defined = False
        if words:
            self.words.append(words)

    def joined(self) -> str:
        return ", ".join(self.words)


class _Reader:
    """Writes the blocks of the elements it is given."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._line = _Line()
        self._heading: _Element | None = None
        self._lists: list[_Numbers | None] = []
        self._items: list[_Item] = []
        self._terms: list[_Terms] = []

    def read(self, root: _Element) -> None:
        _walk(root, self._open, self._close, self._line.text)
        self._end_block()

    def _open(self, element: _Element) -> bool:
        tag = element.tag
        if self._heading is not None:
            self._line.text(" " if tag in _BLOCKS else "")
            self._line.open(tag)
            return True
        if element.level or tag in _BLOCKS:
            self._end_block()
        if element.level:
            self._heading = element
        elif tag in _VERBATIM or tag == "table":
            return not self._whole(element)
        elif tag in ("ul", "ol"):
            self._lists.append(_Numbers(element) if tag == "ol" else None)
        elif tag == "li":
            numbers = self._lists[-1] if self._lists else None
            self._items.append(_Item(numbers.mark(element) if numbers else "•", self._depth()))
        elif tag == "dl":
            self._terms.append(_Terms())
        elif tag == "dt" and self._terms:
            if not element.headings:
                self._terms[-1].add(one_line(_inline(element)))
                return False
            self._terms[-1].add("")
        elif tag == "dd":
            self._items.append(self._definition())
        else:
            self._line.text(_box(element))
            self._line.open(tag)
        return True

    def _close(self, element: _Element) -> None:
        tag = element.tag
        if self._heading is not None:
            self._line.close(tag)
            if element is self._heading:
                self._end_heading(element)
            elif tag in _BLOCKS:
                self._line.text(" ")
            return
        if tag in _BLOCKS:
            self._end_block()
        if tag in ("ul", "ol"):
            self._lists.pop()
        elif tag in ("li", "dd"):
            self._items.pop()
        elif tag == "dl":
            terms = self._terms.pop()
            if not terms.defined:
                self.writer.item(terms.joined())
        else:
            self._line.close(tag)

    def _whole(self, element: _Element) -> bool:
        """Writes a table or lines with their white space; False for a table that is there for the looks."""
        if element.tag != "table":
            self._begin_item()
            self.writer.verbatim(_inline(element, verbatim=True))
            return True
        rows = _rows(element)
        if not _is_data(element, rows):
            return False
        self._begin_item()
        _write_table(element, rows, self.writer)
        return True

    def _depth(self) -> int:
        return min(_DEEPEST_INDENT, max(0, len(self._lists) + len(self._terms) - 1))

    def _definition(self) -> _Item:
        terms = self._terms[-1] if self._terms else _Terms()
        terms.defined = True
        if len(terms.joined()) > _LONGEST_TERM:  # too long to stand before each of its definitions
            self.writer.item(terms.joined())
            terms.words.clear()
        return _Item("•", self._depth(), terms.joined(), begun=not terms.words)

    def _end_block(self) -> None:
        words = self._line.take()
        item = self._items[-1] if self._items else None
        if not words.strip(" \n\u00a0☐☑"):
            return
        if item is None or item.begun:
            self.writer.paragraph(words)
        else:
            item.begun = True
            self.writer.item(_defined(item.term, words), item.mark, item.depth)

    def _begin_item(self) -> None:
        """A term whose definition begins with something that is no line of words."""
        item = self._items[-1] if self._items else None
        if item is not None and not item.begun and item.term:
            item.begun = True
            self.writer.item(item.term, item.mark, item.depth)

    def _end_heading(self, element: _Element) -> None:
        self._heading = None
        words = self._line.take().strip()
        if not words:
            return
        self._begin_item()
        item = self._items[-1] if self._items else None
        if item is not None and not item.begun:
            item.begun = True
            words = words if item.mark == "•" else f"{item.mark} {words}"
        self.writer.heading(words, element.level or 1)


def _defined(term: str, words: str) -> str:
    if not term:
        return words
    return f"{term} {words}" if term.endswith((":", ".", "?", "!")) else f"{term}: {words}"


# Tables


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Sequence[_Element]
    section: _Element  # its thead, tbody or tfoot
    in_head: bool

    @property
    def names_columns(self) -> bool:
        """Whether all cells that hold something, and more than one, are heads."""
        full = [cell for cell in self.cells if cell.length]
        return len(full) > 1 and all(cell.tag == "th" for cell in full)


def _rows(table: _Element) -> list[_Row]:
    rows: list[_Row] = []
    for section in table.children:
        if isinstance(section, _Element) and section.tag in ("thead", "tbody", "tfoot") and not section.out:
            for row in section.children:
                if isinstance(row, _Element) and row.tag == "tr" and not row.out:
                    cells = [cell for cell in row.children if isinstance(cell, _Element) and not cell.out]
                    rows.append(_Row(cells, section, section.tag == "thead"))
    return rows


def _is_data(table: _Element, rows: Sequence[_Row]) -> bool:
    """A table that is there for the looks is read block by block."""
    cells = [cell for row in rows for cell in row.cells]
    if (
        table.role in ("presentation", "none")
        or table.tables > 1
        or max((len(row.cells) for row in rows), default=0) < 2
    ):
        return False
    if any(cell.tag == "th" for cell in cells):
        return True
    return not any(cell.headings or cell.length > _LONG_CELL for cell in cells)


def _write_table(table: _Element, rows: Sequence[_Row], writer: Writer) -> None:
    for child in table.children:
        if isinstance(child, _Element) and child.tag == "caption" and not child.out:
            writer.paragraph(_inline(child))
    grid = _grid(rows)
    for start, heads, end in _parts(rows):
        while heads and len(list(filter(None, grid[start]))) == 1 and grid[start][0]:  # a title across the table
            writer.paragraph(grid[start][0] or "")
            start, heads = start + 1, heads - 1
        part = grid[start:end]
        if not heads:
            heads = int(looks_headed(part, [_is_bold(row) for row in rows[start:end]]))
        if sum(len(cell or "") for row in part[:heads] for cell in row) > _LONGEST_HEADS:
            heads = 0
        writer.table(part, heads)


def _parts(rows: Sequence[_Row]) -> Iterator[tuple[int, int, int]]:
    """Where the table's parts begin, how many heads each has, and where it ends: rows of heads further down name
    the columns anew. A table with a thead has its heads there and nowhere else."""
    marked = any(row.in_head for row in rows) and not all(row.in_head for row in rows)
    is_head = [row.in_head if marked else row.names_columns for row in rows]
    if not marked:  # a title across the table may stand above its heads
        first = next((number for number, head in enumerate(is_head) if head), 0)
        if all(len(row.cells) == 1 and row.cells[0].tag == "th" for row in rows[:first]):
            is_head[:first] = [True] * first
    start = 0
    while start < len(rows):
        body = next((number for number in range(start, len(rows)) if not is_head[number]), len(rows))
        end = next((number for number in range(body, len(rows)) if is_head[number]), len(rows))
        if not any(not head for head in is_head[end:]):  # heads of nothing are rows
            end = len(rows)
        yield start, body - start, end
        start = end


def _grid(rows: Sequence[_Row]) -> list[list[str | None]]:
    grid: list[list[str | None]] = []
    spanning: dict[int, tuple[str | None, int]] = {}  # by column: what still stands there, and for how many rows
    section: _Element | None = None
    for number, row in enumerate(rows):
        if row.section is not section:
            section = row.section
            spanning.clear()
        line: list[str | None] = []
        for cell in row.cells:
            _continue(line, spanning)
            words = one_line(_inline(cell)).strip()  # a cell that is to look empty often holds a no-break space
            across = min(_number(cell.attributes.get("colspan"), 1) or 1, _MOST_COLUMNS - len(line))
            if across < 1:
                line[-1] = f"{line[-1] or ''} {words}"
                continue
            down = _number(cell.attributes.get("rowspan"), 1) or len(rows)
            down = min(down, len(rows) - number)
            repeated = words if len(words) * down <= _MOST_REPEATED else ""
            for column in range(across):
                line.append(None if column else words)
                if down > 1:
                    spanning[len(line) - 1] = (None if column else repeated, down - 1)
        _continue(line, spanning)
        while spanning and max(spanning) >= len(line):
            line.append("")
            _continue(line, spanning)
        grid.append(line)
    return grid


def _continue(line: list[str | None], spanning: dict[int, tuple[str | None, int]]) -> None:
    """Adds what reaches down from the rows above at the columns that come next."""
    while len(line) in spanning:
        words, left = spanning.pop(len(line))
        if left > 1:
            spanning[len(line)] = (words, left - 1)
        line.append(words)


def _is_bold(row: _Row) -> bool:
    full = [cell for cell in row.cells if cell.length]
    return bool(full) and all(cell.tag == "th" or cell.bold >= cell.length for cell in full)


# What the head says


def _title(title: str, first_heading: str) -> str | None:
    """The page's title, without the name of the site where the first heading shows what that is."""
    if first_heading and title.startswith(first_heading) and _SITE_NAME.match(title[len(first_heading) :]):
        return first_heading
    return title or first_heading or None


def _metadata(root: Mapping[str, str], heads: Sequence[tuple[str, Mapping[str, str], str]]) -> dict[str, str]:
    """What the head says of the document; the first of several counts, and nothing but a well-formed value."""
    found: list[tuple[str, str]] = [("language", root.get("lang") or root.get("xml:lang") or "")]
    linked: list[tuple[str, str]] = []
    records: list[tuple[str, str]] = []
    for tag, attributes, text in heads:
        if tag == "meta":
            name = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv") or ""
            found.append((_META.get(name.strip().lower(), ""), attributes.get("content", "")))
        elif tag == "link":
            relation = attributes.get("rel", "").lower().split()
            key = "source" if "canonical" in relation else "licence" if "license" in relation else ""
            linked.append((key, attributes.get("href", "")))
        elif tag == "script":
            records.extend(_linked_data(text))
    metadata: dict[str, str] = {}
    for key, value in (*linked, *records, *found):
        is_address = value.strip().lower().startswith(("https://", "http://"))
        if key and (is_address or key != "source") and (checked := valid(key, value)):
            metadata.setdefault(key, checked)
    return metadata


def _linked_data(text: str) -> Iterator[tuple[str, str]]:
    """Keys and values from the JSON-LD records that speak of a page or an article."""
    if len(text) > _MOST_JSON:
        return
    try:
        waiting: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting.extend(node[:_MOST_NODES])
        elif isinstance(node, dict):
            waiting.append(node.get("@graph"))
            if _JSON_LD_TYPES.search(str(node.get("@type"))[:_LONGEST_TYPE]):
                for name, key in _JSON_LD.items():
                    yield key, _string(node.get(name))


def _string(value: Any) -> str:
    """A text, or the name of the person or thing that stands in its place."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name") or value.get("@id") or value.get("url")
    return value if isinstance(value, str) else ""
