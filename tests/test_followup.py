"""Conversations as patients have them: what a question is completed with, or that it stands alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.followup import MOST_WORDS, complete


def nothing(_: str) -> Sequence[str]:
    return ()


def completed(*turns: str, topics: Sequence[str] = ()) -> str | None:
    """The context of the last turn."""
    found = complete(turns[-1], turns[:-1], lambda _: topics)
    return found.context if found else None


WHAT_IS = "What is a ketamine infusion?"
EFFECTS = "What are the side effects of lidocaine?"

LEAN = [
    ((WHAT_IS, "And the side effects?"), "ketamine infusion"),
    ((WHAT_IS, "how long does it last?"), "ketamine infusion"),
    ((WHAT_IS, "Is that safe for my mother?"), "ketamine infusion"),
    ((WHAT_IS, "what about at night?"), "ketamine infusion"),
    ((WHAT_IS, "How about children?"), "ketamine infusion"),
    ((WHAT_IS, "Why?"), "ketamine infusion"),
    ((WHAT_IS, "who should not have it"), "ketamine infusion"),
    ((WHAT_IS, "Does it hurt?"), "ketamine infusion"),
    ((WHAT_IS, "can i drive afterwards"), "ketamine infusion"),
    ((WHAT_IS, "Can I drive?"), "ketamine infusion"),
    ((WHAT_IS, "Can I eat before?"), "ketamine infusion"),
    ((WHAT_IS, "Are there any risks?"), "ketamine infusion"),
    ((WHAT_IS, "How much does it cost?"), "ketamine infusion"),
    ((WHAT_IS, "is it addictive?"), "ketamine infusion"),
    ((WHAT_IS, "Will it make me sick?"), "ketamine infusion"),
    ((WHAT_IS, "Tell me more."), "ketamine infusion"),
    ((WHAT_IS, "What happens on the day?"), "ketamine infusion"),
    ((WHAT_IS, "How do I prepare?"), "ketamine infusion"),
    ((WHAT_IS, "Is it safe if I am pregnant?"), "ketamine infusion"),
    ((WHAT_IS, "Is it safe if I have epilepsy?"), "ketamine infusion"),
    ((WHAT_IS, "Can my wife have it too?"), "ketamine infusion"),
    ((WHAT_IS, "what if it doesn't work"), "ketamine infusion"),
    ((WHAT_IS, "Does it help with fibromyalgia?"), "ketamine infusion"),
    ((WHAT_IS, "what about fibromyalgia?"), "ketamine infusion"),
    ((WHAT_IS, "How long does the infusion take?"), "ketamine infusion"),
    ((WHAT_IS, "And nausea or vomiting?"), "ketamine infusion"),
    ((WHAT_IS, "Which one is better?"), "ketamine infusion"),
    ((WHAT_IS, "Are there alternatives?"), "ketamine infusion"),
    ((WHAT_IS, "ok thanks. and how many do I need?"), "ketamine infusion"),
    ((WHAT_IS, "That sounds scary. Does it hurt?"), "ketamine infusion"),
    ((WHAT_IS, "how many sessions will it take?"), "ketamine infusion"),
    ((EFFECTS, "How long do they last?"), "lidocaine"),
    ((EFFECTS, "Are these dangerous?"), "lidocaine"),
    ((EFFECTS, "Are there any others?"), "lidocaine"),
    ((EFFECTS, "What can I do about them?"), "lidocaine"),
    ((EFFECTS, "And the dose?"), "lidocaine"),
    ((EFFECTS, "and for the elderly?"), "lidocaine"),
    ((EFFECTS, "What else should I know?"), "lidocaine"),
    (("can I take pregabalin with codeine", "and with alcohol?"), "pregabalin"),
    (("can I take pregabalin with codeine", "why not?"), "pregabalin"),
    (("is gabapentin safe in pregnancy", "what about breastfeeding"), "gabapentin"),
    (("My mother has sickle cell disease. Can she have ketamine?", "Is it dangerous for her?"), "sickle cell disease"),
    (("What is CRPS?", "how is it treated?"), "CRPS"),
    (("What is CRPS?", "What causes it?"), "CRPS"),
    (("What is CRPS?", "symptoms"), "CRPS"),
    (("What is CRPS?", "can it come back?"), "CRPS"),
    (("What is lithium?", "does ketamine interact with it?"), "lithium"),
    (("What is lithium?", "Is ketamine safe with it?"), "lithium"),
    ((WHAT_IS, "Is it safe with my lithium?"), "ketamine infusion"),
    ((WHAT_IS, "Does insurance cover it?"), "ketamine infusion"),
    ((WHAT_IS, "Do I need an appointment for that?"), "ketamine infusion"),
    (("Where can I park?", "How much is it?"), "park"),
    # three turns and more: the latest first, with what brought the subject up
    ((WHAT_IS, "does it help with CRPS?", "And the side effects?"), "CRPS, ketamine infusion"),
    ((WHAT_IS, "How long does it last?", "And the second time?"), "ketamine infusion"),
    ((WHAT_IS, "And the risks?", "how about for children?", "Why?"), "children, ketamine infusion"),
    (("How is neuropathic pain treated?", "and with lidocaine?", "Does it hurt?"), "lidocaine, neuropathic pain"),
    # the newer subject counts
    ((WHAT_IS, "What is CRPS?", "how is it treated?"), "CRPS"),
    (
        (WHAT_IS, "And the risks?", "How should morphine tablets be stored?", "How long do they keep?"),
        "morphine tablets",
    ),
    (("Where can I park?", "What are the side effects of lidocaine?", "How long do they last?"), "lidocaine"),
    ((EFFECTS, "Thanks", "how long do they last?"), "lidocaine"),
]

ALONE = [
    (WHAT_IS, "What is CRPS?"),
    (WHAT_IS, "What are the side effects of lidocaine?"),
    (WHAT_IS, "How should morphine tablets be stored?"),
    (WHAT_IS, "Can I take ibuprofen with codeine?"),
    (WHAT_IS, "Is it safe to take ibuprofen with codeine?"),
    (WHAT_IS, "If I miss a morphine tablet, when should I take it?"),
    (WHAT_IS, "My mother takes warfarin. Is lidocaine safe for her?"),
    (WHAT_IS, "I was given gabapentin for nerve pain. How long does it take to work?"),
    (WHAT_IS, "What is lidocaine and how does it work?"),
    (WHAT_IS, "What about lidocaine for fibromyalgia?"),
    (WHAT_IS, "Does morphine lose its effect?"),
    (WHAT_IS, "how long after a lidocaine infusion is it safe to drive?"),
    (WHAT_IS, "What other treatments are there besides opioids for neuropathic pain?"),
    (WHAT_IS, "Where can I park?"),
    (WHAT_IS, "How do I cancel an appointment?"),
    (EFFECTS, "What is a ketamine infusion?"),
    (EFFECTS, "is morphine addictive"),
    (EFFECTS, "Where is the clinic?"),
    (EFFECTS, "What are your opening hours?"),
    (WHAT_IS, "what about parking?"),
    (WHAT_IS, "warfarin is it safe?"),
    (WHAT_IS, "gabapentin 300mg what is it for"),
    (WHAT_IS, "is this drug gabapentin safe"),
    (WHAT_IS, "What are the symptoms of shingles besides a rash?"),
    (WHAT_IS, "Is there a bus to the hospital?"),
    (EFFECTS, "Do you have an interpreter?"),
]


@pytest.mark.parametrize(("turns", "context"), LEAN, ids=[" / ".join(turns) for turns, _ in LEAN])
def test_a_follow_up_is_completed_with_what_it_refers_to(turns: tuple[str, ...], context: str) -> None:
    found = completed(*turns)
    assert found is not None
    assert found.startswith(context)


@pytest.mark.parametrize("turns", ALONE, ids=" / ".join)
def test_a_question_with_a_subject_of_its_own_stands_alone(turns: tuple[str, ...]) -> None:
    assert completed(*turns) is None


# Written after the rules, on other subjects.
LEAN_TOO = [
    ("what is metformin for?", "does it cause weight gain?"),
    ("what is metformin for?", "and with kidney problems?"),
    ("what is metformin for?", "any interactions?"),
    ("what is metformin for?", "what should I do if I miss a dose?"),
    ("what is metformin for?", "what happens if I stop taking it suddenly?"),
    ("what is metformin for?", "Can I take it with food?"),
    ("what is metformin for?", "are there side effects I should worry about?"),
    ("what is metformin for?", "is it ok while breastfeeding?"),
    ("how do I treat a migraine?", "when should I see a doctor?"),
    ("how do I treat a migraine?", "are they hereditary?"),
    ("how do I treat a migraine?", "what triggers them?"),
    ("how do I treat a migraine?", "what are the warning signs?"),
    ("how do I treat a migraine?", "can kids get it too?"),
    ("what are the symptoms of shingles?", "is it contagious?"),
    ("what are the symptoms of shingles?", "how is it diagnosed"),
    ("what are the symptoms of shingles?", "is there a vaccine?"),
    ("what are the symptoms of shingles?", "who gets it?"),
    ("what are the symptoms of shingles?", "how can I prevent it?"),
    ("what are the symptoms of shingles?", "what is the best treatment"),
    ("what are the symptoms of shingles?", "and in older people?"),
    ("Is nitrous oxide safe?", "what about during labour?"),
    ("Is nitrous oxide safe?", "how is it given?"),
    ("Is nitrous oxide safe?", "How quickly does it work?"),
    ("Is nitrous oxide safe?", "will I be asleep?"),
    ("Is nitrous oxide safe?", "do I need someone to take me home?"),
    ("Is nitrous oxide safe?", "What are the long term effects?"),
    ("Is nitrous oxide safe?", "should my son avoid it?"),
    ("Is nitrous oxide safe?", "can he have it at the dentist?"),
    ("what is spinal cord stimulation", "who is it suitable for"),
    ("what is spinal cord stimulation", "how big is the battery?"),
    ("what is spinal cord stimulation", "can I have an MRI with it?"),
    ("what is spinal cord stimulation", "success rate?"),
    ("what is spinal cord stimulation", "what are the pros and cons"),
    ("my dad has dementia", "can he take tramadol?"),
    ("my dad has dementia and takes tramadol. is that ok?", "what should we watch for?"),
    ("does acupuncture help back pain", "is there any evidence for that"),
    ("does acupuncture help back pain", "how often would I need to go?"),
    ("does acupuncture help back pain", "are the needles painful?"),
    ("what's the maximum dose of paracetamol", "what if I took more than that"),
    ("what's the maximum dose of paracetamol", "for a 10 year old?"),
    ("what's the maximum dose of paracetamol", "what about ibuprofen?"),
    ("how do opioids work", "are they addictive", "what are the withdrawal symptoms?"),
    ("how do opioids work", "which is the strongest?", "does that one cause constipation"),
]
ALONE_TOO = [
    ("what is metformin for?", "what are the symptoms of shingles?"),
    ("what is metformin for?", "how do opioids work?"),
    ("what is metformin for?", "does acupuncture help with back pain?"),
    ("what is metformin for?", "can you drink alcohol with antibiotics?"),
    ("what is metformin for?", "is it normal to bruise after a blood test?"),
    ("what is metformin for?", "is ibuprofen ok for my son?"),
    ("what is metformin for?", "I have diabetes. can it damage my eyes?"),
    ("what is metformin for?", "how is sickle cell disease inherited?"),
    ("what is metformin for?", "why do migraines happen?"),
    ("what is metformin for?", "what does high blood pressure feel like?"),
    ("what is metformin for?", "my father has gout, what should he eat?"),
    ("what is metformin for?", "is there a vaccine for shingles?"),
    ("what is metformin for?", "should I put ice or heat on a sprained ankle?"),
    ("what is metformin for?", "Are migraines hereditary?"),
    ("what is metformin for?", "what is the best treatment for gout?"),
    ("what is metformin for?", "what are the early signs of dementia?"),
    ("what is metformin for?", "how much paracetamol can I take in 24 hours?"),
    ("what is metformin for?", "how is nitrous oxide given during labour?"),
    ("what is metformin for?", "can opioids make pain worse?"),
    ("what is metformin for?", "Do statins have other effects?"),
]


@pytest.mark.parametrize("turns", LEAN_TOO, ids=" / ".join)
def test_follow_ups_on_other_subjects_are_completed(turns: tuple[str, ...]) -> None:
    assert completed(*turns)


@pytest.mark.parametrize("turns", ALONE_TOO, ids=" / ".join)
def test_changes_to_other_subjects_are_left_alone(turns: tuple[str, ...]) -> None:
    assert completed(*turns) is None


def test_the_first_question_is_never_completed() -> None:
    assert completed("And the side effects?", topics=["Ketamine"]) is None


def test_what_names_nothing_anywhere_is_left_as_it_is() -> None:
    assert completed("Hello", "How long does it last?") is None


def test_where_no_question_names_the_subject_what_was_quoted_does() -> None:
    topics = ["Ketamine for chronic pain", "Side effects"]
    assert completed("How can you help me?", "How long does it last?", topics=topics) == ", ".join(topics)


def test_what_was_quoted_does_not_replace_what_was_asked() -> None:
    assert completed(WHAT_IS, "How long does it last?", topics=["Parking"]) == "ketamine infusion"


def test_what_was_quoted_is_looked_up_once_at_most() -> None:
    asked: list[str] = []
    complete("Why?", ["Hello", "How long does it last?"], lambda question: asked.append(question) or ("Ketamine",))  # type: ignore[func-returns-value]
    assert asked == ["How long does it last?"]


def test_the_question_is_shown_as_it_was_asked_with_the_context_behind_it() -> None:
    found = complete("how long does it last?", [WHAT_IS], nothing)
    assert found is not None
    assert found.text == "how long does it last? (ketamine infusion)"


def test_words_that_the_question_has_already_are_not_repeated() -> None:
    assert completed("What is a ketamine infusion for CRPS?", "And the ketamine infusion itself?") == "CRPS"


def test_a_pasted_letter_does_not_drown_the_question() -> None:
    letter = "Does lidocaine help? " + "My surgeon, neurologist and pharmacist wrote about gabapentin, tramadol. " * 200
    context = completed(letter, "Why?")
    assert context is not None
    assert len(context.split()) <= MOST_WORDS


WORDS = st.sampled_from(
    "what is it how long does ketamine infusion last and the side effects? why? CRPS, of my mother's that ok. another "
    "one besides these Others for 10 ’ ? it’s there any to who won".split(" ")
)
TURNS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), min_size=1, max_size=5)


@given(TURNS, st.text(max_size=40))
def test_a_context_is_made_of_slices_of_earlier_questions_and_of_what_was_quoted(turns: list[str], title: str) -> None:
    found = complete(turns[-1], turns[:-1], lambda _: [title] if title else [])
    if found:
        sources = [*turns[:-1], title]
        rest = found.context.replace(title, "", 1) if title else found.context
        assert all(any(part in source for source in sources) for part in rest.split(", "))
        assert found.text.startswith(turns[-1])


@pytest.mark.parametrize(
    "part",
    [
        "it ",
        "it is for ",
        "is it be a for a a a ",
        "ok, ",
        "any a ",
        "there is a ",
        "that ",
        "what ",
        "? ",
        "’'",
        "the ",
    ],
)
def test_long_adversarial_texts_come_to_an_end(part: str) -> None:
    complete(part * (20_000 // len(part)), [part * (20_000 // len(part))], nothing)
