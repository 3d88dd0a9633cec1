"""Bytes to text: right, unchanged, or refused."""

from __future__ import annotations

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.loaders import Unreadable
from bot.loaders.encoding import decode

CONTROLS = "".join(chr(c) for c in range(32) if chr(c) not in "\t\n\r\f\v\x1b") + "\x7f"
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS) | st.sampled_from("\r\n\ufeff\u2028"))

GERMAN = (
    "Ketamin ist ein Arzneimittel zur Behandlung chronischer Schmerzen. Nach der Infusion können Übelkeit und "
    "Schwindel auftreten. Die übliche Dosis beträgt ½ Ampulle (25 µg/kg) – nicht mehr. Nicht über 25 °C lagern."
)
FRENCH = (
    "La kétamine est utilisée dans le traitement de la douleur chronique. Après la perfusion, une gêne légère est "
    "possible : n’hésitez pas à prévenir l’infirmière. À conserver à moins de 25 °C. Dose : 35 µg par minute."
)
ENGLISH = "Take 25 µg a day – no more. Don’t store it above 25 °C. It costs £9.90, and ¼ tablet is “enough” for a café."
POLISH = (
    "Ketamina jest lekiem stosowanym w leczeniu przewlekłego bólu. Przed zabiegiem nie należy jeść przez sześć "
    "godzin. Proszę poinformować lekarza o wszystkich przyjmowanych lekach. Może wystąpić ból głowy i nudności."
)
CZECH = (
    "Ketamin je lék používaný k léčbě chronické bolesti. Před zákrokem šest hodin nejezte a nepijte. Informujte "
    "prosím lékaře o všech užívaných lécích a alergiích. Po zákroku se může objevit bolest hlavy a nevolnost."
)
RUSSIAN = (
    "Кетамин применяется для лечения хронической боли. Перед процедурой не следует есть в течение шести часов. "
    "Сообщите врачу обо всех принимаемых лекарствах и аллергиях."
)
JAPANESE = (
    "ケタミンは慢性疼痛の治療に使われる薬です。処置の前の六時間は食事をしないでください。服用中の薬とアレルギーに"
    "ついて医師に伝えてください。処置の後に頭痛や吐き気が起こることがあります。"
)
CHINESE = "氯胺酮用于治疗慢性疼痛。手术前六小时内请勿进食。请告知医生您正在服用的所有药物和过敏情况。"


@given(TEXTS)
def test_utf8_survives_byte_for_byte(text: str) -> None:
    assert decode(codecs.BOM_UTF8 + text.encode()) == (text, "utf-8", False)


@given(TEXTS.filter(lambda text: not text.startswith(("\ufeff", "%PDF-", "GIF8", "Rar!", "{\\rtf"))))
def test_utf8_without_a_mark_survives(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8", False)


@given(TEXTS, st.sampled_from(["16-le", "16-be", "32-le", "32-be"]))
def test_utf16_and_utf32_survive(text: str, kind: str) -> None:
    mark = {
        "16-le": codecs.BOM_UTF16_LE,
        "16-be": codecs.BOM_UTF16_BE,
        "32-le": codecs.BOM_UTF32_LE,
        "32-be": codecs.BOM_UTF32_BE,
    }[kind]
    assert decode(mark + text.encode(f"utf-{kind}")) == (text, f"utf-{kind}", False)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text, encoding, guessed = decode(data)
    except Unreadable:
        return
    assert "\0" not in text
    assert guessed or data in (text.encode(encoding), ("\ufeff" + text).encode(encoding))


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, FRENCH, RUSSIAN + "\n" + RUSSIAN, CHINESE + "\n" + CHINESE])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf16_and_utf32_without_a_mark_are_found(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == (text, encoding, False)


@pytest.mark.parametrize(
    "text",
    [
        *(ENGLISH, GERMAN, FRENCH),
        *("The dose is 25 µg.", "It costs £9.90.", "Keep below 25 °C", "Don’t drive.", "¼ tablet", "5 ± 1 mg", "10 µg"),
        *("Pain – relief", "the café", "1 Tablette täglich", "Übelkeit, Müdigkeit", "À prendre à jeun.", "»"),
        "• Don’t eat\r\n• Bring £10\r\n",
        "- Addaprin® - Advil® - Cedaprin® - I-Prin® - Midol® - Motrin®",
        "The Norman language was forged with the langue d’oïl. Robert of Jumièges was archbishop.",
        "One tablet a day with food. " * 2000 + "The dose is 25 µg or ½ tablet. " + "Do not drive. " * 2000,
    ],
)
def test_western_text_is_read_as_windows_1252(text: str) -> None:
    assert decode(text.encode("cp1252")) == (text, "windows-1252", True)


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, FRENCH])
def test_western_text_of_any_length_is_read_right(text: str) -> None:
    for end in range(20, len(text), 9):
        if not text[:end].isascii():
            assert decode(text[:end].encode("cp1252"))[0] == text[:end]


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (POLISH, "cp1250", "windows-1250"),
        (CZECH, "cp1250", "windows-1250"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (JAPANESE, "shift_jis", "shift-jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (CHINESE, "gb18030", "gb18030"),
    ],
)
def test_other_code_pages_are_guessed(text: str, encoding: str, name: str) -> None:
    assert decode(text.encode(encoding)) == (text, name, True)


def test_line_breaks_and_blanks_stay_in_a_guessed_text() -> None:
    text = "  Dose: 25 µg\r\n\r\n\tÜbelkeit \r\x0cmüde\n "
    assert decode(text.encode("cp1252"))[0] == text


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\nabc",
        b"PK\x03\x04rest",
        b"\x89PNG\r\n\x1a\n",
        b"\x7fELF\x02\x01",
        b"plain text with one \0 in it",
        "ein Wort für Ärzte\0".encode(),
        "Кетамин\0".encode(),
        bytes(range(1, 32)) * 10,
        b"text" + b"\x01\x02\x03" * 20,
        random.Random(0).randbytes(4000),
        codecs.BOM_UTF16_LE + "a\0b".encode("utf-16-le"),
    ],
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^binary"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        "It’s 25 µg – don’t take more.".encode() + b"\xff",
        "Übelkeit und Müdigkeit".encode()[:-1] + b"\xc3",
        codecs.BOM_UTF8 + b"\xff",
        codecs.BOM_UTF16_LE + b"a",
        codecs.BOM_UTF16_BE + b"\xd8\x00",
        codecs.BOM_UTF32_LE + b"\xff\xff\xff\xff",
    ],
)
def test_damaged_unicode_is_refused_rather_than_misread(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^damaged utf"):
        decode(data)


def test_escape_codes_are_text() -> None:
    text = "\x1b[31mTake\x1b[0m \x1b]0;title\x07 one tablet\x08."
    assert decode(text.encode()) == (text, "utf-8", False)
