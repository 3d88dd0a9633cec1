import numpy as np
import pytest
from conftest import WordEncoder

from bot.bot import Bot
from bot.highlights import choose, score
from bot.lexical import Lexical, terms
from bot.sentences import sentences


def chosen(text: str, scores: list[float]) -> list[str]:
    spans = sentences(text)
    assert len(spans) == len(scores)
    return [text[start:end] for start, end in choose(text, spans, np.array(scores))]


def test_the_best_sentence_and_those_near_it() -> None:
    text = "Pain hurts. Rest helps. Parking is free. Cold packs help."
    assert chosen(text, [0.1, 0.8, 0.0, 0.78]) == ["Rest helps.", "Cold packs help."]
    assert chosen(text, [0.8, 0.2, 0.0, 0.1]) == ["Pain hurts."]


@pytest.mark.parametrize("word", ["However, it", "It", "This", "But they", "If not, they", "They"])
def test_a_sentence_that_leans_on_the_one_before_takes_it_along(word: str) -> None:
    text = f"Do not drive. {word} may go after a day. Bring a friend."
    assert chosen(text, [0.1, 0.9, 0.0]) == ["Do not drive.", f"{word} may go after a day."]


def test_the_one_before_is_taken_as_far_back_as_needed() -> None:
    text = "Take one pill. It may sting. But this passes. Rest."
    assert chosen(text, [0.0, 0.0, 0.9, 0.0]) == ["Take one pill.", "It may sting.", "But this passes."]


def test_words_of_the_question_raise_a_sentence() -> None:
    encoder = WordEncoder()
    text = "The garden is open. Ketamine may cause vivid dreams. Parking is free."
    lexical = Lexical.build([text], k1=0.9, b=0.4)
    texts = [text[start:end] for start, end in sentences(text)]
    flat = np.zeros(3)
    assert int(score(texts, flat, terms("vivid dreams"), lexical).argmax()) == 1
    assert (
        int(score(texts, encoder.encode_passages(texts) @ encoder.encode_query("free parking"), [], lexical).argmax())
        == 2
    )


def test_headings_are_not_highlighted(bot: Bot) -> None:
    text = bot.document("ketamine-for-chronic-pain.txt").text
    for question in ("What makes ketamine special?", "Using ketamine for chronic pain"):
        for quote in bot.ask(question).quotes:
            marked = [text[start:end] for start, end in quote.highlights]
            assert marked
            assert not {"What makes it Special?", "Using Ketamine for Chronic Pain"} & set(marked)
