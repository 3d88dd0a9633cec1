"""Where sentences begin and end in a clinic's documents.

A cut in the wrong place can turn a warning round, so every rule leans one way: when in doubt, do not
split. Blocks come first (a blank line, a heading, a list item or a table row is a border whatever the
punctuation), then each block is cut at its full stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Abbreviations are looked up as written and in lower case, so "Ms" does not catch "ms" or "MS".

# Something always follows these.
NEVER_LAST = _words(
    "Dr Drs Mr Mrs Ms Mx Prof Rev Hon Capt Sgt Lt Col Gen Det Sen Gov Cllr Messrs Mme Mlle Sra Srta Dra "
    "Hr Fr e.g i.e eg ie c.f cf vs viz approx ca circa incl excl esp resp vit Vit nr z.b d.h u.a bzw inkl "
    "evtl ggf"
)
# These end a sentence unless a number follows: "No. 5", "Tel. 555 0100".
BEFORE_NUMBER = _words(
    "no nos fig figs sec sect ch chap vol para pp eq ref tab art rm apt ste ext tel ph fax bldg nr lot grp temp wt ht"
)
# These end a sentence only before one of STARTERS: a name is just as likely ("St. Mary", "U.S. Food").
# So do single letters ("A. B. Lee") and capitals with dots ("F.D.A.", "G.P.").
BEFORE_NAME = _words(
    "St Rd Ave Blvd Ln Sq Ct Hwy Mt Ft Bldg Dept Inc Ltd Co Corp Bros Jr Sr Assn Univ Hosp Ph.D Pharm.D "
    "B.Sc M.Sc Psy.D M.Ed Esq al pt pts max min avg Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun Jan Feb "
    "Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
)
# A single letter after one of these is no initial: "hepatitis B. Vaccines are free."
BEFORE_LETTER = _words(
    "vitamin Vitamin vitamins hepatitis Hepatitis influenza Influenza type group grade plan part class lot"
)
# These end a sentence before any capital, not before a number ("p.r.n. 2 tablets"). So do small letters
# with dots: "a.m.", "b.i.d.".
BEFORE_CAPITAL = _words("etc usw a.m p.m hr hrs mo mos wk wks yr yrs mins secs tbsp tsp oz lb lbs")
# A capital that goes on with a time or a date: "9 a.m. Monday", "am 3. Mai".
DATES = _words(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mondays Tuesdays Wednesdays Thursdays "
    "Fridays Saturdays Sundays Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun January February March April "
    "May June July August September October November December EST EDT ET CST CDT CT MST MDT MT PST PDT PT "
    "GMT BST UTC CET CEST Eastern Central Mountain Pacific Atlantic Januar Februar März Mai Juni Juli "
    "Oktober Dezember"
)
# Words that, with a capital, begin a sentence far more often than they belong to a name.
STARTERS = _words(
    "The This That These Those There Then They It Its He She We You Your Our His Her Their I If In On At "
    "For From To When While Where What Which Who Why How Do Does Did Don't Don’t Is Are Was Were Can "
    "Could Should Please Some Most Many Any All Each Every Both Other Another One Two Three And But Or So "
    "Because Although Before After During Until Since As With Without Not Never Always Also However No "
    "Yes A An Take Call Ask Keep Use Bring Wash Wait Stop Tell Talk Speak Contact See Patients People "
    "Once Only Avoid Parking"
)
# A line that ends with one of these goes on in the next, whatever that begins with.
OPEN_WORDS = _words(
    "a an the and or nor but of in on at by to for from with without into over under than as if when "
    "while until unless because that which who whose is are was were be been being has have had do does "
    "did not no never don't don’t cannot can't can’t may might can could will would shall should must "
    "take taking use using avoid give given stop call see ask contact include includes including your our "
    "my his her their its this these those each every any some all next last first about between both "
    "either neither only called like dr keep tell talk speak read swallow store apply drink eat remove "
    "wear chew mix start try bring inject inhale check get go visit phone continue report increase reduce "
    "skip wash"
)

_BREAK = re.compile("(?:\r\n|[\r\n])?\f|\r\n|[\n\r\v\x1c-\x1e\x85\u2028\u2029]")
_OPENERS = "\"'“”„‘‚«‹(\\[{<*_~`¿¡"
_CLOSERS = "\"'”“’»›)\\]}>*_~`」』）】"
_REFERENCE = r"(?: ?\[[\d, –-]{1,12}\])*"
# The whole run of stops is taken whether or not white space follows: no position is tried twice.
_STOP = re.compile(rf"([.!?…؟।॥۔։።。！？｡]+)([{_CLOSERS}]*{_REFERENCE})")
_UNSPACED = "。！？｡"  # Chinese and Japanese write no space after these
_SPACE = re.compile(r"\s*")
_NEXT = re.compile(rf"(?:>\s)?[{_OPENERS}]*")
_WORD = re.compile(r"[^\W_]+(?:[.'’][^\W_]+)*")
_CAMEL = re.compile(r"[a-zµ]{1,3}-?[A-Z]")  # pH, mRNA, eGFR, iPhone, e-Referral
_INLINE_MARK = re.compile(r"\((?:[a-z]|[ivx]{1,4}|\d{1,2})\)\s|[a-z]\)\s|[-–—]\s+[A-Z]")
_SYMBOLS = frozenset("£$€≥≤±≈☎#•▪●■◦‣")
_SAYS = re.compile(r"(?:[A-Z][\w.’'-]*\s+){1,3}(?:said|says|asked|asks|replied|replies|wrote|writes|added)\b")

_LETTERED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_AFTER_NUMBER = re.compile(r"\d\s?[^\W\d_]\Z")
_ONLY_MARK = re.compile(r"\(?(?:\d{1,3}(?:\.\d{1,2})*|[A-Za-z]|[ivxIVX]{1,4})\Z")
_ABBREVIATION_LENGTH = 24  # characters looked back for the word before a full stop

_SOLID = re.compile(r"#{1,6}\s|\||```|~~~|(?:[=_*-]\s?){2,}\Z")
_BULLET = re.compile(r"[-*+•‣▪◦·●○■□▶➢✓✔❖◆\uf0b7\uf0a7]\s+\S|[–—]\s+[^\Wa-z_]")
_DASH = re.compile(r"-\s+[a-z]")
_ORDERED = re.compile(r"(\(?)(?:(?:\d{1,3}\.)*(\d{1,3})|([ivx]{1,4}|[A-Za-z]))([.)])\s+\S")
_COLUMNS = re.compile(r"[^\s.!?:](?:\t+| {3,}| \| )\S")
_DAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b.*(?:\d|[Cc]losed)")
_LABEL = re.compile(r"[A-Z][\w-]*(?: [\w-]+){0,2}:\s+\S")
_COMPLETE = re.compile(rf"[.!?…:;؟।。！？][{_CLOSERS}]*\Z")
# A lone line with one of these is never taken for a heading: what follows may be what is forbidden.
_CAREFUL = re.compile(
    r"\b(?:not|never|no|without|only|if|unless|until|avoid|stop|must|should|do|\w+n['’]t)\b", re.IGNORECASE
)
_ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_UNWRAPPED = 160  # characters: a longer line was not wrapped by hand or by a page
_ASIDE = 300  # characters: a longer bracket or quotation is cut like other text


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Character spans (start, end) of the sentences in ``text[start:end]``, as offsets in ``text``.

    ``start`` and ``end`` count characters and are read as in a slice. The spans ascend and do not overlap;
    none begins or ends with white space, and every other character lies in exactly one. Nothing outside the
    window is looked at, so a window on paragraph borders gives the spans that the whole text gives there.
    A blank line always ends a sentence; a single line break inside running text does not. Time is linear in
    the window's length.
    """
    start, end, _ = slice(start, end).indices(len(text))
    return [
        sentence
        for paragraph in _paragraphs(text, start, end)
        for block in _blocks(text, paragraph)
        for sentence in _cut(text, *block)
    ]


def _paragraphs(text: str, start: int, end: int) -> Iterator[list[Span]]:
    """Runs of lines between blank lines; a line is a stripped, non-empty span."""
    lines: list[Span] = []
    for first, last, closes in _lines(text, start, end):
        line = text[first:last]
        first += len(line) - len(line.lstrip())
        last -= len(line) - len(line.rstrip())
        if first < last:
            lines.append((first, last))
        if lines and (closes or first >= last):
            yield lines
            lines = []
    if lines:
        yield lines


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Raw lines without their break, and whether that break ends the paragraph by itself."""
    for found in _BREAK.finditer(text, start, end):
        yield start, found.start(), found.group() == "\u2029"
        start = found.end()
    yield start, end, True


def _blocks(text: str, paragraph: list[Span]) -> Iterator[Span]:
    """Join wrapped lines; a list item, a heading or a table row begins a block of its own."""
    lines = [text[first:last] for first, last in paragraph]
    width = max(map(len, lines))
    listed = {style for style, ordinals in map(_ordinals, lines) if 2 in ordinals}
    dashes = sum(line.startswith("- ") for line in lines)
    days = sum(_DAY.match(line) is not None for line in lines)
    item = _ordinals(lines[0])
    begin, fresh = 0, True  # fresh: the line before begins a sentence, as a heading would
    for number in range(1, len(lines)):
        before, line = lines[number - 1], lines[number]
        goes_on = _goes_on(before)
        complete = not goes_on and _COMPLETE.search(before[-8:]) is not None
        style, ordinals = _ordinals(line)
        follows = style == item[0] and any(ordinal - 1 in item[1] for ordinal in ordinals)
        if ordinals and (complete or follows or (1 in ordinals and (not goes_on or style in listed))):
            border, item = True, (style, ordinals)
        elif dashes == 1 and _DASH.match(line) and not complete:
            border = False  # a lone dash is punctuation
        elif _stands_alone(before, line):
            border = True
        else:
            day = days > 1 and _DAY.match(line) is not None
            border = not goes_on and _new_line(before, line, fresh=fresh, day=day, width=width)
        if border:
            yield paragraph[begin][0], paragraph[number - 1][1]
            begin = number
        fresh = border or complete
    yield paragraph[begin][0], paragraph[-1][1]


def _ordinals(line: str) -> tuple[str, frozenset[int]]:
    """A list marker's style and the numbers it can mean: "i" is the first Roman or the ninth letter."""
    found = _ORDERED.match(line)
    if found is None:
        return "", frozenset()
    opening, digits, letters, closing = found.groups()
    if digits:
        return f"{opening}1{closing}", frozenset({int(digits)})
    small = letters.lower()
    roman = {_ROMAN.index(small)} if small in _ROMAN else set()
    letter = {ord(small) - ord("a") + 1} if len(small) == 1 else set()
    return f"{opening}{'a' if letters == small else 'A'}{closing}", frozenset(roman | letter)


def _stands_alone(before: str, line: str) -> bool:
    """Marks of a list, a heading or a table, which no wrapped line carries by chance."""
    return bool(
        _BULLET.match(line)
        or _SOLID.match(line)
        or _SOLID.match(before)
        or (_COLUMNS.search(before) and _COLUMNS.search(line))
    )


def _goes_on(line: str) -> bool:
    """Whether a line cannot be where a sentence ends."""
    if line[-1] in ",(–—-/&+=":
        return True
    word = line[-_ABBREVIATION_LENGTH:].rsplit(None, 1)[-1].strip("\"'“”‘’(*_")
    if word.endswith("."):
        return _listed(word[:-1], NEVER_LAST)
    return word.lower() in OPEN_WORDS


def _new_line(before: str, line: str, *, fresh: bool, day: bool, width: int) -> bool:
    """Whether a break between two unmarked lines was meant, though the first has no full stop."""
    if line[0].islower():
        return False
    if before.count("(") > before.count(")"):
        return False
    if _COLUMNS.search(before) or _COLUMNS.search(line) or (fresh and (day or _LABEL.match(line))):
        return True
    if before[-1] == ":" or _CAREFUL.search(before):
        return False
    if len(before) > _UNWRAPPED or (before.isupper() and not line.isupper() and len(before) > 4):
        return True
    # A wrapped line is full: the next word had no room. This one had room to spare.
    return fresh and len(before) + 1 + len(line.split(None, 1)[0]) < 0.6 * width


def _cut(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences of one block, which begins and ends with a non-space character."""
    asides = _asides(text, start, end)
    inside, aside = start, 0  # inside: the end of the furthest bracket or quotation opened so far
    for stop in _STOP.finditer(text, start, end):
        while aside < len(asides) and asides[aside][0] < stop.start():
            inside = max(inside, asides[aside][1])
            aside += 1
        following = _SPACE.match(text, stop.end(), end).end()  # type: ignore[union-attr]
        spaced = following > stop.end() or stop.group(1)[-1] in _UNSPACED
        if following < end and spaced and stop.end() > inside and _ends(text, start, stop, following, end):
            yield start, stop.end()
            start = following
    yield start, end


def _asides(text: str, start: int, end: int) -> list[Span]:
    """Where short brackets and quotations open and close, by their opening."""
    opened: dict[str, list[int]] = {")": [], "”": [], '"': []}
    pairs = []
    for found in re.finditer('[()“”"]', text[start:end]):
        mark, at = found.group(), start + found.start()
        if mark in "(“":
            opened[")" if mark == "(" else "”"].append(at)
        elif mark == '"' and (at == start or text[at - 1].isspace() or text[at - 1] in "(["):
            opened[mark] = [at]
        elif opened[mark]:
            opening = opened[mark].pop()
            if at - opening <= _ASIDE:
                pairs.append((opening, at))
    return sorted(pairs)


def _ends(text: str, start: int, stop: re.Match[str], following: int, end: int) -> bool:
    """Whether the sentence begun at ``start`` ends at ``stop``; the next word is at ``following``."""
    run, closers = stop.groups()
    after = _NEXT.match(text, following, end).end()  # type: ignore[union-attr]
    if not _can_begin(text, following, after, end):
        return False
    before = text[max(start, stop.start() - _ABBREVIATION_LENGTH) : stop.start()]
    if before[-1:] in {"(", "["}:  # a mark on its own: "30 (!) days"
        return False
    if any(mark in closers for mark in "\"”'’»") and _SAYS.match(text, following, end):
        return False
    found = _WORD.match(text, after, min(end, after + _ABBREVIATION_LENGTH))
    following_word = found.group() if found else ""
    if run in {"...", "…"} or (len(run) > 1 and not run.strip(".…")):
        return following_word in STARTERS
    if run != ".":
        return True
    if stop.start() - start <= _ABBREVIATION_LENGTH and _ONLY_MARK.match(before):
        return False
    return _full_stop_ends(before, following_word, first=not any(c.isspace() for c in before))


def _can_begin(text: str, following: int, after: int, end: int) -> bool:
    if text[following] in _SYMBOLS or _INLINE_MARK.match(text, following, end):
        return True
    if after >= end:
        return False
    letter = text[after]
    if letter.islower():
        return _CAMEL.match(text, after, end) is not None
    return letter.isalnum() or letter in _SYMBOLS


def _full_stop_ends(before: str, following: str, *, first: bool) -> bool:
    """``before``: what stands in the sentence up to the full stop; ``first``: it is one word."""
    words = re.split(r"[\s/–—]", before)
    word = words[-1].lstrip("\"'“‘([*_")
    number = following[:1].isdigit()
    if word.isdigit():  # "2. 5 mg" and the ordinal in "am 3. Mai"
        return len(word) > 2 or not (number or following in DATES)
    after_number = word[:1].isdigit() or (len(words) > 1 and words[-2][-1:].isdigit())
    word = word.lstrip("0123456789")
    if _listed(word, NEVER_LAST):
        return False
    if _listed(word, BEFORE_NUMBER) and number:
        return False
    measured = after_number and word in {"min", "max"}
    if measured or _listed(word, BEFORE_CAPITAL) or (_LETTERED.fullmatch(word) and word.islower()):
        return not (first or number or following in DATES)
    named = len(words) > 1 and words[-2] in BEFORE_LETTER
    initial = len(word) == 1 and word.isalpha() and not named and not _AFTER_NUMBER.search(before)
    if initial or _listed(word, BEFORE_NAME) or _LETTERED.fullmatch(word):
        return not first and following in STARTERS
    return True


def _listed(word: str, table: frozenset[str]) -> bool:
    return word in table or word.lower() in table
