"""Facts about a text: its language, its reading age, whether it is garbled, and what else says almost the same."""

import dataclasses
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quality import NearDuplicate, garbling, language, near_duplicates, reading_age

LEAFLET = """Your knee operation

Before you come in
Do not eat for six hours before your operation. You can drink water until two hours before. Please bring your own
tablets with you. A nurse will ask you about them when you arrive. Wear loose clothes that are easy to put on again.

After the operation
Your knee will be sore and swollen for a few weeks. This is normal. Take your pain relief as the nurse has shown you.

• Rest with your leg up when you can
• Put ice on your knee for ten minutes at a time, three times a day
• Keep the wound clean and dry

Call us if you have a high temperature, if the wound leaks, or if the pain gets much worse. You can go back to work
when you feel ready. Most people need two to four weeks. Do not drive until you can stop the car in an emergency.
"""
GERMAN = """Nach der Operation ist Ihr Knie einige Wochen lang geschwollen. Das ist normal. Nehmen Sie die Schmerzmittel
so ein, wie es Ihnen die Pflegekraft gezeigt hat. Bei Arzneimittelüberempfindlichkeitsreaktionen oder einer
Blutgerinnungsstörung rufen Sie bitte sofort an. Ihre Krankenversicherungskarte und die
Arbeitsunfähigkeitsbescheinigung bekommen Sie am Empfang. Fahren Sie nicht Auto, solange Sie Schmerzen haben."""
SPOKEN = {
    "en": LEAFLET,
    "de": GERMAN,
    "fr": "Prenez deux comprimés par jour après les repas. Appelez-nous si la fièvre dure plus de trois jours.",
    "es": "Tome dos comprimidos al día después de las comidas. Llame al médico si la fiebre dura más de tres días.",
    "pl": "Proszę przyjmować dwie tabletki dziennie po jedzeniu. Jeśli gorączka nie ustąpi, proszę zadzwonić.",
    "cy": "Cymerwch ddwy dabled bob dydd ar ôl bwyd. Ffoniwch ni os ydych chi'n dal i deimlo'n sâl.",
    "fi": "Ota kaksi tablettia päivässä ruokailun jälkeen. Soita meille, jos kuume jatkuu yli kolme päivää.",
    "ru": "Принимайте по две таблетки в день после еды. Позвоните нам, если температура не снижается.",
    "ar": "تناول قرصين يوميا بعد الأكل. اتصل بنا إذا استمرت الحمى أكثر من ثلاثة أيام. لا تقد السيارة.",
    "hi": "खाने के बाद दिन में दो गोलियां लें। अगर बुखार तीन दिन से ज्यादा रहे तो हमें फोन करें।",
    "zh": "每天饭后服用两片。如果发烧超过三天,请打电话给我们。手术后六个星期内不要开车。",
    "ja": "食後に一日二錠を服用してください。熱が三日以上続く場合は、お電話ください。",
    "th": "รับประทานวันละสองเม็ดหลังอาหาร หากมีไข้นานเกินสามวันโปรดโทรหาเรา ห้ามขับรถหลังผ่าตัด",
}
DOSES = "\n".join(f"Weight: {kilos} kg | Dose: {kilos / 2:g} mg | Volume: {kilos / 20:g} ml" for kilos in range(10, 90))
DRUGS = """Hydroxychloroquine 200 mg
Levothyroxine 50 micrograms
Cyclophosphamide 50 mg
Methotrexate 2.5 mg once a week
Acetylsalicylic acid 75 mg
Dichlorodiphenyltrichloroethane
Phenylpropanolamine hydrochloride
Methylenedioxymethamphetamine
N-acetyl-para-aminophenol, 3,4-methylenedioxy-N-methylamphetamine, 2-(4-isobutylphenyl)propanoic acid
"""
FINE = {
    **SPOKEN,
    "doses": DOSES,
    "drugs": DRUGS,
    "figures": "12 34 56\n7.5 8.5 9.5\n" * 40,
    "addresses": "Read https://clinic.example/leaflets/kneeoperationandwhattoexpectafterwards or write to "
    "kneeoperationsandrehabilitation@clinic.example today.\n" * 9,
    "options": "Vitamins A B C D E K are in it. Blood groups: A B O. Answer Y N Y N Y N Y N.\n" * 5,
    "index": " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + "\nAsthma",
    "ticks": "Lunch | X | X | X | X | X | X | X\nx x x x x x x x x x\n" * 9,
    "Word's bullets": "\uf0b7 Rest your leg\n\uf0b7 Keep it dry\n",
    "typography": "Don’t stop – ask “your” doctor… 38 °C, ≥ 5 µg, ½ tablet, 50\u00a0mg, co\u00adamoxiclav, 👩🏽‍⚕️\ufeff",
    "capitals": "INFORMAÇÃO PARA IRMÃS E IRMÃOS. NÃO DEIXE DE TOMAR. “AMANHÔ PELA MANHÃ.",
    "nothing": "",
}


# Language


@pytest.mark.parametrize("tag", SPOKEN)
def test_the_language_of_a_few_sentences_is_known(tag: str) -> None:
    assert language(SPOKEN[tag]) == tag


@pytest.mark.parametrize("text", ["", "Ibuprofen 400 mg", "12 34 56 " * 50, "Take two tablets", DRUGS, "\ud800\ufffd"])
def test_too_little_text_has_no_language(text: str) -> None:
    assert language(text) is None


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_has_a_tag_or_none(text: str) -> None:
    found = language(text)
    assert found is None or (found.isalpha() and found.islower() and 2 <= len(found) <= 3)
    assert language(text) == found


# Reading age


def test_the_reading_age_of_a_leaflet_is_a_childs_and_of_a_protocol_a_graduates() -> None:
    protocol = (
        "Perioperative administration of prophylactic anticoagulation necessitates individualised consideration of "
        "thromboembolic susceptibility, haemorrhagic complications and pharmacological interactions, particularly in "
        "patients receiving concomitant antiplatelet medication.\n\n"
    ) * 5
    plain, hard = reading_age(LEAFLET, "en"), reading_age(protocol, "en-GB")
    assert plain is not None
    assert hard is not None
    assert 7 < plain < 12
    assert hard > 22


def test_the_reading_age_follows_the_formula() -> None:
    # 20 sentences of 6 words with 8 syllables: 0.39 × 6 + 11.8 × 8/6 − 15.59 = 2.48, and 5 more
    assert reading_age("Take the tablet with your dinner. " * 20, "en") == 7.5


def test_a_text_without_a_long_word_is_for_the_youngest() -> None:
    assert reading_age("Go to bed. " * 60, "en") == 5.0


@pytest.mark.parametrize("tag", [None, "de", "fr-CA", "enm"])
def test_other_languages_have_no_reading_age(tag: str | None) -> None:
    assert reading_age(LEAFLET, tag) is None


@pytest.mark.parametrize("text", ["", "Take two tablets.", DOSES, DRUGS, "Opening hours\n\n" * 300])
def test_too_little_prose_has_no_reading_age(text: str) -> None:
    assert reading_age(text, "en") is None


def test_tables_headings_and_list_marks_leave_the_reading_age_as_it_is() -> None:
    plain = reading_age(LEAFLET, "en")
    headings = "\n\n".join(f"Anaesthetic considerations part {n}" for n in range(40))
    for more in (DOSES, headings, DRUGS, "12 34 56\n" * 99):
        assert reading_age(f"{LEAFLET}\n\n{more}", "en") == plain
    assert reading_age(LEAFLET.replace("• ", "- "), "en") == plain


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_has_a_reading_age_or_none(text: str) -> None:
    for one in (text, f"{text}\n\n{LEAFLET}"):
        found = reading_age(one, "en")
        assert found is None or found >= 5


# Garbling


@pytest.mark.parametrize("name", FINE)
def test_an_ordinary_text_is_not_suspected(name: str) -> None:
    found = garbling(FINE[name])
    assert not found.suspected, found
    assert found.reason == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LEAFLET.replace("six", "\ufffd"), "1 character could not be read"),
        (LEAFLET.replace("two", "(cid:12)(cid:7)"), "4 characters could not be read"),
        ("Prenez 2 comprimÃ©s aprÃ¨s le repas.", "2 characters came out wrong"),
        ("Donâ€™t take it. Itâ€™s not for you.", "2 characters came out wrong"),
        ("Ð¿Ñ€Ð¸Ð½Ð¸Ð¼Ð°Ð¹Ñ‚Ðµ Ð¿Ð¾ Ð´Ð²Ðµ", "came out wrong"),
        ("".join(chr(0xE000 + ord(letter)) for letter in "take two"), "8 characters that no text has"),
        ("\x01\x02 \x03\x04 take", "4 characters that no text has"),
        (LEAFLET.replace(" ", ""), "words run together, such as"),
        (" ".join(LEAFLET), "words are pulled apart, such as Y o u r k n e e"),
    ],
)
def test_a_garbled_text_is_suspected_and_the_reason_says_why(text: str, reason: str) -> None:
    found = garbling(text)
    assert found.suspected
    assert reason in found.reason


def test_a_garbled_page_among_ten_is_enough() -> None:
    assert garbling(LEAFLET * 9 + LEAFLET.replace(" ", "")).suspected
    assert garbling(LEAFLET * 9 + " ".join(LEAFLET)).suspected


def test_one_run_of_letters_that_no_word_has_is_enough() -> None:
    joined = "Takeyourpainreliefasthenursehasshownyouandcallusifitbleeds."
    assert garbling(LEAFLET * 9 + joined).suspected
    assert garbling(LEAFLET * 9 + joined).lost_spaces < 0.05


def test_the_shares_are_of_characters_and_of_letters() -> None:
    assert garbling("ab\ufffd d").odd_characters == 0.25
    assert garbling("a" * 30 + " " + "b" * 10).lost_spaces == 0.75
    assert garbling("t h i s x and, well, such").single_letters == 0.3125
    assert dataclasses.astuple(garbling("")) == (0.0, 0.0, 0.0, False, "")


@given(st.text(alphabet=st.characters() | st.sampled_from("Ã©â€™ÐÑ \n\ufffdabc(cid:1)"), max_size=300))
def test_any_text_has_shares_from_0_to_1(text: str) -> None:
    found = garbling(text)
    assert all(0 <= share <= 1 for share in dataclasses.astuple(found)[:3])
    assert found.suspected == bool(found.reason)
    assert garbling(text) == found


@pytest.mark.parametrize("piece", ["a ", "a", "\ufffd", "(cid:", "Ã", "x" * 26 + " ", "- ", "\ue000", "a-", "1) ", " "])
def test_the_time_taken_grows_with_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.perf_counter()
    garbling(text)
    language(text)
    assert time.perf_counter() - began < 3


# Near-duplicates


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}


def alike(one: str, other: str) -> float:
    both = shingles(one) | shingles(other)
    return len(shingles(one) & shingles(other)) / len(both) if both else 0.0


@st.composite
def libraries(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Passages of a few documents, most of them one of three texts with a word changed, dropped or added."""
    source = random.Random(draw(st.integers(0, 10_000)))
    bases = [[source.choice("abcdefghij") for _ in range(source.randint(3, 40))] for _ in range(3)]
    passages = []
    for _ in range(source.randint(0, 25)):
        words = list(source.choice(bases))
        for _ in range(source.randint(0, 3)):
            words[source.randrange(len(words))] = source.choice(["", "x", "y z"])
        passages.append((f"document {source.randint(1, 6)}", " ".join(words)))
    return passages


@given(libraries(), st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
@settings(max_examples=300)
def test_the_groups_hold_what_comparing_every_two_finds(passages: list[tuple[str, str]], at_least: float) -> None:
    groups = near_duplicates(passages, at_least)
    pairs = {
        (a, b): alike(passages[a][1], passages[b][1])
        for a in range(len(passages))
        for b in range(len(passages))
        if passages[a][0] != passages[b][0]
    }
    twins = {row for pair, value in pairs.items() if value >= at_least for row in pair}
    assert {row for group in groups for row in group.rows} == twins
    for group in groups:
        first, *others = group.rows
        assert others == sorted(set(others))
        assert others
        assert group.similarity == min(pairs[first, other] for other in others) >= at_least
    assert groups == sorted(groups, key=lambda group: (-group.similarity, group.rows))
    assert groups == near_duplicates(passages, at_least)


def test_a_changed_dose_is_found_and_the_share_is_exact() -> None:
    dose = "Take 5 mg of it once a day with food, and do not take more than you were told."
    passages = [("a", dose), ("b", "Something else entirely, word for word."), ("c", dose.replace("5", "10"))]
    assert near_duplicates(passages) == []
    assert near_duplicates(passages, 0.7) == [NearDuplicate(14 / 18, (0, 2))]  # 16 runs each, 2 with the dose


def test_capitals_punctuation_and_white_space_make_no_difference() -> None:
    passages = [("a", "Rest. Take 5 mg, then sleep!"), ("b", "rest take\n5 MG then  sleep")]
    assert near_duplicates(passages) == [NearDuplicate(1.0, (0, 1))]


def test_passages_of_one_document_short_ones_and_none_are_left_alone() -> None:
    same = "Keep the wound clean and dry."
    assert near_duplicates([("a", same), ("a", same)]) == []
    assert near_duplicates([("a", "Closed on Mondays"), ("b", "Closed on Mondays")]) == []
    assert near_duplicates([]) == []
    assert near_duplicates([("a", ""), ("b", "")]) == []


def test_scripts_without_spaces_are_compared_too() -> None:
    passages = [("a", SPOKEN["zh"]), ("b", SPOKEN["zh"].replace("六", "八")), ("c", SPOKEN["th"])]
    assert [group.rows for group in near_duplicates(passages, 0.6)] == [(0, 1)]


def test_what_every_document_repeats_is_one_group() -> None:
    footer = " ".join(f"word{n}" for n in range(150))
    passages = [(f"document {n}", footer) for n in range(1000)]
    assert near_duplicates(passages) == [NearDuplicate(1.0, tuple(range(1000)))]
    named = [(document, footer.replace("word70", f"clinic{n}")) for n, (document, _) in enumerate(passages)]
    assert [len(group.rows) for group in near_duplicates(named)] == [1000]


def test_thousands_of_passages_take_seconds() -> None:
    source = random.Random(1)
    words = [f"word{n}" for n in range(5000)]
    passages = [(f"document {n // 5}", " ".join(source.choices(words, k=150))) for n in range(10_000)]
    began = time.perf_counter()
    assert near_duplicates(passages) == []
    assert time.perf_counter() - began < 15
