"""Redaction: what could tell who asked goes, what staff want to read stays."""

from __future__ import annotations

import json
import re
import time

import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from bot import redact as module
from bot.redact import MARKS, redact

# A message, and what of it must not be kept; written before the rules were tried on any of them.
PERSONAL = [
    (
        "Hi, I'm Deborah Whitfield and I had my second infusion on 14 February 2024",
        "Deborah Whitfield 14 February 2024",
    ),
    ("this is tom from accounts, is the clinic open on saturday", "tom saturday"),
    ("my wife Joy gets dizzy after ketamine, what should she do?", "Joy"),
    ("Hello, Rosa Delgado here. Can I eat before the infusion?", "Rosa Delgado"),
    ("My consultant Dr Amara Nwosu stopped my gabapentin", "Amara Nwosu"),
    ("mrs kaur says i can't take ibuprofen", "kaur"),
    ("Prof. Lindqvist recommended a nerve block", "Lindqvist"),
    ("My daughter Hope is 9 and has CRPS", "Hope 9"),
    ("i am rose and my mother's name is violet", "rose violet"),
    ("can my husband bill drive me home", "bill"),
    ("Is it true that Faith from reception can book me in?", "Faith"),
    ("My mum, June Carter, died of a stroke", "June Carter"),
    ("Ravi Venkataraman, DOB 1/2/1973, MRN 00482913", "Ravi Venkataraman 1/2/1973 00482913"),
    ("ring me on (415) 555-0132 after five", "415 0132"),
    ("my number is 07700 900461", "07700 900461"),
    ("number: oh seven seven double zero nine one two", "seven zero nine"),
    ("write to deb.whitfield+pain@nhs.example please", "deb whitfield nhs.example"),
    ("deb (at) mailbox dot org", "deb mailbox"),
    ("see my story at https://blog.example.org/~deb?id=44", "blog deb 44"),
    ("profile is facebook.com/deb.whitfield", "deb whitfield facebook.com"),
    ("I live at 221b Baker Street, London NW1 6XE", "221b Baker London NW1 6XE"),
    ("my address is 5 old mill lane, can you come?", "5 old mill"),
    ("We are at 1600 Pennsylvania Ave, Washington, DC 20500", "1600 Pennsylvania Washington 20500"),
    ("I'm in Saskatoon S7K 0J5, is there a clinic near?", "Saskatoon S7K 0J5"),
    ("PO Box 77, Wagga Wagga", "77 Wagga"),
    ("WHEN CAN AHMED YILMAZ COME BACK", "AHMED YILMAZ"),
    ("Yuki’s pain is worse since March 3rd", "Yuki March 3"),
    ("does siobhan o'leary-nguyen work on tuesdays", "siobhan leary nguyen tuesdays"),
    ("I weigh 82kg and I'm 5ft 4", "82 5 4"),
    ("my BP was 150/95 on 2023-11-05", "150 95 2023 11 05"),
    ("ｊｏｈｎ２３＠example.com is my mail", "john23"),
    ("my insurance id is XKQ88213-01", "XKQ 88213 01"),
    ("J. Abernathy, retired, with phantom pain", "Abernathy"),
    ("Regards, Will", "Will"),
    ("signed, hunter", "hunter"),
    ("@paindiary_ann told me about it", "paindiary ann"),
    ("моя фамилия Иванов", "Иванов фамилия"),
    ("Mark has nausea and grace is dizzy", "Mark grace"),
    ("The nurse, Angel, was kind", "Angel"),
    ("I asked Heather Stone about it when May was on leave", "Heather Stone May"),
]
KEPT = [
    "What are the side effects of ketamine?",
    "Will it hurt? May I drive home after the infusion?",
    "I don't know if I can eat or drink before my infusion, and I've been told not to.",
    "Can I take Tylenol, gabapentin or an NSAID with it?",
    "Is it used for Parkinson's disease, Raynaud's, Crohn's or complex regional pain syndrome (CRPS)?",
    "how long does a nerve block last",
    "Does vitamin D help with hepatitis C?",
    "my hand and my head hurt, and my skin is red",
    "WHAT HELPS AGAINST PAIN",
    "Does the Clinic offer Back Pain Injections?",
]


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


@pytest.mark.parametrize(("text", "personal"), PERSONAL)
def test_what_is_personal_goes(text: str, personal: str) -> None:
    left = words(re.sub("|".join(map(re.escape, MARKS)), " ", redact(text)))
    assert not set(words(personal)) & set(left)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_not_stays(text: str) -> None:
    assert redact(text) == text


def test_most_words_of_questions_stay() -> None:
    lines = (ROOT / "tests" / "eval" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    rightly_spelt = [asked["question"] for asked in questions if asked["kind"] != "typo"]
    total = sum(len(words(text)) for text in rightly_spelt)
    kept = sum(len(set(words(text)) & set(words(redact(text)))) for text in rightly_spelt)
    assert kept / total > 0.9  # the rest are repeated words, years, a city


def test_marks_say_what_was_there() -> None:
    said = "My name is Ann Lee, born 3 May 1980, ann@lee.org, 555-123-4567, www.lee.org, 2 Elm Road: 40 zzyzx"
    assert redact(said) == "My name is [name], born [date], [email] [phone], [url] [address]: [number] [word]"


@given(st.text())
@example("[name]")
@example("\ue000 \uf8ff")
@example("²³ ½ Ⅷ ④ ٣ 五")
@example("jo\u200bhn \ud800")
@example("J\u0336o\u0336h\u0336n\u0336")
def test_nothing_is_left_but_known_words(text: str) -> None:
    redacted = redact(text)
    assert not any(letter.isnumeric() for letter in redacted)
    left = re.sub("|".join(map(re.escape, MARKS)), " ", redacted)
    for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", left):
        assert not module._mark(word.lower(), module._Place("hepatitis", "", False, True, False, False))
    assert redacted.isprintable()  # and so can be written


def test_time_is_in_proportion_to_the_length() -> None:
    def seconds(text: str) -> float:
        return min(_seconds(text) for _ in range(3))

    for piece in ("a", "1 ", "1", "x.y", "John ", "one ", "at dot ", "(1", "1 Elm ", "May 1 "):
        few, many = (piece * (count // len(piece)) for count in (2_000, 32_000))
        assert seconds(many) < 16 * 8 * max(seconds(few), 0.0005)  # a square would be 256 times as much


def _seconds(text: str) -> float:
    start = time.perf_counter()
    redact(text)
    return time.perf_counter() - start
