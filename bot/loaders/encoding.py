"""Bytes to text: the byte order mark goes, nothing else is changed."""

from __future__ import annotations

import codecs
import re
import unicodedata

from bot.loaders import Note, Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP, DOCX or the like"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"\x7fELF", "program"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"\xd0\xcf\x11\xe0", "old Office file"),
    (b"{\\rtf", "RTF"),
)
# Tab, line feed, vertical tab, form feed, carriage return, backspace, bell and escape occur in text.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\a\x1b"))
_CONTROL = re.compile(f"[{re.escape(_CONTROLS.decode())}\x7f]")
_PLAIN = bytes(range(32, 127)) + b"\t\n\r"
_TOO_MANY_CONTROLS = 0.02

_WESTERN = "cp1252"
_SINGLE_BYTE = (_WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r")
_MULTI_BYTE = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_NAMES = {"cp932": "shift-jis", "cp949": "euc-kr"} | {f"cp125{n}": f"windows-125{n}" for n in range(8)}
_CLEARLY_BETTER = 0.005
"""Another code page must beat windows-1252 by this much (difference of garbled share less likeness to a
language). Most pairs of code pages share the letters that occur in a short text, and then tie exactly."""
_MANY_DIFFERENCES = 4
_HOPELESS = 5.0
"""Never reached: the library finds a list of trade names with ® more than half garbled in every code page, and only
the comparison counts here."""

_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_NON_ASCII_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WINDOW = 300
_EVIDENCE = 8_000


def decode(data: bytes) -> tuple[str, str, bool]:
    """The text, the name of its encoding, and whether that is a guess.

    UTF-8, -16 and -32 are certain, with or without a byte order mark; an older code page is guessed. No strip, no
    newline translation, no normalisation. Raises Unreadable for binary data, damaged UTF and unknown encodings.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _textual(_strict(data[len(mark) :], encoding)), encoding, False
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise Unreadable(f"binary ({kind})")
    if b"\0" in data:
        return _without_mark(data)
    try:
        return _textual(data.decode("utf-8")), "utf-8", False
    except UnicodeDecodeError as error:
        _refuse_damaged_utf8(data, error.start)
    encoding = _guess(data)
    return _textual(data.decode(encoding)), _NAMES.get(encoding, encoding.replace("_", "-")), True


def guess_note(encoding: str) -> Note:
    return Note(f"read as {encoding} (guessed): check its accented letters and signs, or save it as UTF-8")


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"damaged {encoding} at byte {error.start}") from None


def _textual(text: str) -> str:
    """`text`, unless a NUL or many control characters show that it is none."""
    if "\0" in text:
        raise Unreadable("binary (it holds NUL characters)")
    if _CONTROL.subn("", text)[1] > _TOO_MANY_CONTROLS * len(text):
        raise Unreadable("binary (many control characters)")
    return text


def _without_mark(data: bytes) -> tuple[str, str, bool]:
    """UTF-16 or -32 without its mark: read in the wrong order, ASCII becomes scattered far-off characters, so
    the reading with the most ASCII is right, and a text of any length has some (line breaks, spaces, digits)."""
    if _plain_with_nuls(data):
        raise Unreadable("binary (it holds NUL bytes)")
    readings: list[tuple[int, str, str]] = []
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = _textual(data.decode(encoding))
        except (UnicodeDecodeError, Unreadable):
            continue
        readings.append((len(text.encode("ascii", "ignore")), text, encoding))
    ascii_count, text, encoding = max(readings, default=(0, "", ""), key=lambda reading: reading[0])
    # One NUL in binary data is often half of an "ASCII" character by chance.
    if ascii_count * 100 < len(text) or not ascii_count or _odd(text):
        raise Unreadable("binary (it holds NUL bytes)")
    return text, encoding, False


def _plain_with_nuls(data: bytes) -> bool:
    """ASCII or UTF-8 with stray NULs: in UTF-16, half of the bytes of Western or Cyrillic text are controls, and
    letters above U+007F are as good as never valid UTF-8."""
    if len(data.translate(None, _PLAIN)) * 5 < len(data):
        return True
    try:
        return not data.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def _odd(text: str) -> bool:
    """Whether more than a twentieth of the characters is unassigned or for private use."""
    return sum(unicodedata.category(c) in ("Cn", "Co") for c in text[:_EVIDENCE]) * 20 > len(text[:_EVIDENCE])


def _refuse_damaged_utf8(data: bytes, at: int) -> None:
    """UTF-8 with a broken byte would decode as a code page too, every ’ as â€™: a wrong quote."""
    rest, sequences = _UTF8_SEQUENCE.subn(b"", data)
    others = len(rest) - len(rest.translate(None, bytes(range(128, 256))))
    if sequences > others:
        raise Unreadable(f"damaged utf-8 at byte {at}")


def _guess(data: bytes) -> str:
    """The most plausible code page. Western text is windows-1252 unless another is clearly better: where the two
    tie, a look-alike would show µ or ½ as another letter."""
    scores: dict[str, float] = {}
    evidence: dict[str, str] = {}
    for encoding in (*_SINGLE_BYTE, *_MULTI_BYTE):
        try:
            evidence[encoding] = _evidence(data.decode(encoding))
        except UnicodeDecodeError:
            continue
        if encoding in _SINGLE_BYTE or _in_runs(evidence[encoding]):
            score = _implausibility(evidence[encoding], encoding)
            if score is not None:
                scores[encoding] = score
    if not scores:
        raise Unreadable("its character encoding is not known; save it as UTF-8")
    best = min(scores, key=lambda encoding: scores[encoding])
    if _WESTERN not in scores or best in _MULTI_BYTE:
        return best
    clearly = scores[best] + _CLEARLY_BETTER < scores[_WESTERN]
    return best if clearly and _often_differ(evidence[best], evidence[_WESTERN]) else _WESTERN


def _often_differ(text: str, western: str) -> bool:
    """A language of another code page shows it in many letters, not in the one ½ or è of an English text."""
    differences = sum(map(str.__ne__, text, western))
    return differences >= _MANY_DIFFERENCES and differences * 100 >= len(text)


def _implausibility(evidence: str, encoding: str) -> float | None:
    """The library's measure of garbled characters less its likeness to a language (0 to 1); None: does not fit."""
    from charset_normalizer import from_bytes

    data = evidence.encode(encoding)
    match = from_bytes(
        data,
        steps=1,
        chunk_size=len(data),
        threshold=_HOPELESS,
        cp_isolation=[encoding],
        enable_fallback=False,
    ).best()
    return None if match is None else match.chaos - match.coherence


def _evidence(text: str) -> str:
    """The surroundings of the first non-ASCII characters: in a long English text a few µ would drown."""
    pieces: list[str] = []
    end = 0
    while (found := _NON_ASCII.search(text, end)) and sum(map(len, pieces)) < _EVIDENCE:
        start, end = max(end, found.start() - _WINDOW), found.end() + _WINDOW
        pieces.append(text[start:end])
    return "".join(pieces)


def _in_runs(text: str) -> bool:
    """Chinese, Japanese and Korean characters stand together; a lone one is a Western letter misread with the
    ASCII letter after it (µg)."""
    return sum(map(len, _NON_ASCII_RUN.findall(text))) * 2 > len(_NON_ASCII.findall(text))
