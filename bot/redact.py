"""A question without what it says of a person, before it is written anywhere.

Nothing is kept but words of public lists (English, medicines, conditions): a word of none of them, each number and
each name, also one that is a common word where it seems to be meant as a name, is replaced by a mark. What the marks
hide can't be had back. It errs on the side of hiding, and may still miss a name that is a common word, in small letters
and with nothing beside it that tells.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "data"

MARKS = ("[name]", "[date]", "[number]", "[phone]", "[email]", "[url]", "[address]", "[word]")
_NAME, _DATE, _NUMBER, _PHONE, _EMAIL, _URL, _ADDRESS, _WORD = map(chr, range(0xE000, 0xE008))
"""What stands for the marks while a text is worked on: characters that no text is let in with."""

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_STREET = (
    r"(?:street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|court|ct|boulevard|blvd|place|pl|terrace|close|crescent|way"
    r"|highway|hwy|parkway|pkwy|square|gardens|grove|apartments?|apt|unit|suite)"
)
_NUMERAL = (
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    r"|seventeen|eighteen|nineteen|twenty|thirty|forty|fourty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|double)"
)
_PATTERNS = tuple(
    (mark, re.compile(pattern, re.IGNORECASE))
    for mark, pattern in (
        (_NUMBER, rf"\b{_NUMERAL}(?:[ -](?:and[ -])?{_NUMERAL})+\b"),
        (_EMAIL, r"\b\w{1,64} ?[\[(]?\bat\b[\])]? ?\w{1,64} ?[\[(]?\bdot\b[\])]? ?\w{2,10}\b"),
        (_ADDRESS, rf"\b\d\w{{0,6}},? (?:[^\W\d][\w.']{{0,30}} ){{1,3}}{_STREET}\b\.?"),
        (_ADDRESS, rf"\b(?:{_STREET}|p\.? ?o\.? ?box|flat|room) ?(?:no\.? ?|number )?#?\d\w{{0,6}}\b"),
        (_ADDRESS, r"\b[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}\b"),  # United Kingdom
        (_ADDRESS, r"\b[a-z]\d[a-z] ?\d[a-z]\d\b"),  # Canada
        (_ADDRESS, r"\b(?-i:[A-Z]{2}),? \d{5}(?:-\d{4})?\b"),  # United States
        (_DATE, r"\b\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b"),
        (_DATE, rf"\b\d{{1,2}}(?:st|nd|rd|th)? ?(?:of )?{_MONTH}\b\.?(?:,? ?\d{{2,4}}\b)?"),
        (_DATE, rf"\b{_MONTH}\b\.? ?(?:the )?\d{{1,4}}(?:st|nd|rd|th)?\b(?:,? \d{{4}}\b)?"),
        (_PHONE, r"(?:\+|\b|\()\d[\d ().-]{5,24}\d\b"),
    )
)
_ADDRESSED = re.compile(r"://|www\.|\w\.(?:com|org|net|edu|gov|info|io|uk|au|eu|ie|nz|ca|de|fr|me|co)\b", re.IGNORECASE)
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|\s+|[\W_]")
_CONTRACTED = re.compile(r"(?:n't|'(?:s|m|re|ve|ll|d|t))$")
_PUNCTUATION = frozenset(" .,;:?!'\"()/%&+-")
_AGAIN = re.compile(rf"([{_NAME}-{_WORD}])(?:[ ,.:'()/&+-]{{0,3}}\1)+")

_SHORT = frozenset(
    "a i am an as at be by do go he hi if in is it me my no of oh ok on or ox so to up us vs we".split()
    + "im ive id ill ca wo sha ain youre hes shes theres whats cant wont".split()
)
_ABBREVIATIONS = frozenset(
    "adhd afib aids bmi bp cbt cns copd covid cpr crps ct dna dob dr dvt ecg eds eeg ekg em emg er fda gerd ghb gp hiv "
    "hr hrs hrt iv ivs icu im inr ldn mcg mg mins ml mr mrs nhs nmda ocd od op otc pcos pm pt pots rls rsd sc scs ssri "
    "ssris snri snris std tb tens tia tmj tmd tv uk us usa uti utis vr yr yrs".split()
)
_EPONYMS = frozenset("achilles fallopian heimlich hickman kegel marfan meniere menieres tietze baker".split())
_WEEKDAYS = frozenset(
    day + ending for day in "monday tuesday wednesday thursday friday saturday sunday".split() for ending in ("", "s")
)
_MONTHS = frozenset(
    "january february april june july august september october november december jan feb apr aug sept oct nov".split()
)
_MEANT_AS_WORDS = frozenset("will may can art an so do man see else long many ask case day means read still".split())
"""Names only where they are written as such."""
_TITLES = frozenset("dr mr mrs mister prof professor rev".split())
"""Before a name and nothing else."""
_CUES = frozenset(
    "doctor nurse ms miss mx sir madam sister brother husband wife spouse partner son daughter mother mum mom "
    "mummy mommy father dad daddy uncle aunt auntie nephew niece cousin grandmother grandma grandfather grandpa "
    "gran granny nan friend neighbour neighbor boyfriend girlfriend fiance fiancee boss colleague carer caregiver "
    "baby twin patient surgeon therapist physio midwife named called am i'm im this dear love regards sincerely "
    "thanks hi hello hey".split()
)
"""Often before a name; what follows must look like one."""
_BEFORE_A_PLACE = frozenset("in at from near to".split())
_FOLLOWS_A_NAME = frozenset("is was has had needs wants says said takes took gets got does did feels keeps".split())
_INTRODUCED = re.compile(r"\b(?:name(?:'?s| is| was|:)|signed)[ :,-]{1,3}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Lists:
    """known: words that may be kept. usual: the most frequent of them. medical: of medicine, never a name.
    names: words that are names and nothing else; forenames, surnames: those that are also other words."""

    known: frozenset[str]
    usual: frozenset[str]
    medical: frozenset[str]
    names: frozenset[str]
    forenames: frozenset[str]
    surnames: frozenset[str]


@cache
def _lists() -> _Lists:
    def words(name: str) -> frozenset[str]:
        return frozenset((FOLDER / f"{name}.txt").read_text(encoding="utf-8").split())

    usual, medical = words("common") | _SHORT, words("drugs") | words("health") | _ABBREVIATIONS | _EPONYMS
    known = usual.union(medical, words("usual"), words("rare"), words("modern"), words("coarse"))
    return _Lists(known, usual, medical, words("proper") - known, words("names/forenames"), words("names/surnames"))


def redact(text: str) -> str:
    """`text` on one line, with marks in place of what could tell who wrote it.

    Every word that is left is of a public list, and there is no digit. Takes time in proportion to the length.
    """
    text = " ".join(_unless_address(chunk) for chunk in _plain(text).split())
    for mark, pattern in _PATTERNS:
        text = pattern.sub(mark, text)
    text = _AGAIN.sub(r"\1", " ".join("".join(_words(text)).split()))
    return "".join(MARKS[ord(letter) - ord(_NAME)] if _is_mark(letter) else letter for letter in text)


def _plain(text: str) -> str:
    """Without letters that only look like others, and without characters that are not seen."""
    seen = (letter if letter.isspace() or unicodedata.category(letter)[0] != "C" else "" for letter in text)
    return unicodedata.normalize("NFKC", "".join(seen)).replace("’", "'").replace("ʼ", "'")


def _unless_address(chunk: str) -> str:
    if "@" in chunk:
        return _NAME if chunk.startswith("@") else _EMAIL
    return _URL if _ADDRESSED.search(chunk) else chunk


def _is_mark(letter: str) -> bool:
    return _NAME <= letter <= _WORD


def _words(text: str) -> Iterator[str]:
    """The text word by word, with a mark for each that is not to be kept."""
    pieces: list[str] = _TOKEN.findall(text)
    shouted = sum(map(str.isupper, text)) > sum(map(str.islower, text))
    before, after_name, starts = "", False, True
    at = 0
    for i, piece in enumerate(pieces):
        if piece[0].isalnum():
            following = next((other.lower() for other in pieces[i + 1 : i + 4] if other[0].isalnum()), "")
            introduced = _INTRODUCED.search(text, max(0, at - 20), at) is not None
            place = _Place(
                before, following, after_name, starts, introduced, text[at + len(piece) : at + len(piece) + 1] == "."
            )
            mark = _mark(piece.lower() if shouted else piece, place)
            yield mark or piece
            before, after_name, starts = piece.lower(), mark == _NAME, False
        else:
            yield piece if piece in _PUNCTUATION or _is_mark(piece) else " "
            starts = starts or (piece in ".!?:" and before not in _TITLES)
            after_name = after_name and piece in " .-"
        at += len(piece)


@dataclass(frozen=True, slots=True)
class _Place:
    """What stands around a word. before, following: words in small letters. starts: a sentence."""

    before: str
    following: str
    after_name: bool
    starts: bool
    introduced: bool
    is_dotted: bool


def _mark(written: str, place: _Place) -> str:
    """What is to stand in place of a word; empty if it may be kept."""
    if any(letter.isnumeric() for letter in written):
        return _NUMBER
    lists = _lists()
    word = _CONTRACTED.sub("", written.lower())
    capital = written[0].isupper() and word != "i"
    if place.introduced:
        return _NAME
    if word in lists.medical or word + "s" in lists.medical:
        return ""
    if word in _WEEKDAYS or word in _MONTHS or (word in ("may", "march") and capital and not place.starts):
        return _DATE
    if len(word) == 1 and word not in lists.usual:
        return "" if place.before in ("vitamin", "hepatitis") else _NAME if capital and place.is_dotted else _WORD
    titled = place.before in _TITLES
    if not (word in lists.known or (word.endswith("s") and word[:-1] in lists.known)):
        named = capital or titled or place.after_name or word in lists.names
        return _NAME if named and not (len(written) > 1 and written.isupper()) else _WORD
    return _NAME if _is_meant_as_name(word, capital, titled, place) else ""


def _is_meant_as_name(word: str, capital: bool, titled: bool, place: _Place) -> bool:
    """Whether a word that may be kept in itself is used as a name."""
    lists = _lists()
    written_as_name = capital and not place.starts
    if word in _MEANT_AS_WORDS and not written_as_name:
        return False
    if written_as_name and (titled or place.after_name):
        return True
    if written_as_name and place.before in _BEFORE_A_PLACE and word not in lists.usual:
        return True
    if word not in lists.forenames and word not in lists.surnames:
        return False
    if written_as_name or titled or place.after_name:
        return True
    return word in lists.forenames and (
        word not in lists.usual or place.before in _CUES or place.following in _FOLLOWS_A_NAME
    )
