"""What misspelt words cost, and what their correction gives back: nDCG@10, as a Markdown table.

    python benchmarks/typos.py DATASET [DATASET …] [--queries FILE] [--cache DIR] [--seed N] [--list]

Each of the two longest content words of a question gets one random keyboard error: a neighbouring key, a letter
left out, two letters swapped, one doubled, or one put in. The corrected questions go the way of every question.
``--list`` prints every correction that was made to a question as it was asked, for a person to judge.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import ir_measures
from ir_measures import nDCG

from bot.bot import Bot
from bot.config import Config
from bot.embed import load_encoder
from bot.evaluation.datasets import Dataset, Question, read_dataset
from bot.evaluation.opening import open_bot
from bot.index import Index
from bot.lexical import STOP_WORDS
from bot.query import Query
from bot.retrieve import retrieve
from bot.spelling import Speller, apply, vocabulary
from bot.timings import Timings

NEIGHBOURS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "qwsz vghn xdfv erfcxs wrsd rtgvcd tyhbvf yujnbg uojk uikmnh iolmj opk njk bhjm ipkl ol wa etdf wedxza ryfg "
        "yihj cfgb qesa zsdc tugh asx".split(),
        strict=True,
    )
)
"""Each letter's neighbours on a QWERTY keyboard."""
K = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--queries", type=Path, help="other questions with the same ids, for a single dataset")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    config = Config()
    encoder = load_encoder(config.model)
    print("| dataset | clean | typos | typos corrected | loss left | clean corrected | right / wrong / left |")
    print("|---|---|---|---|---|---|---|")
    for path in options.datasets:
        data = read_dataset(path, queries=options.queries)
        bot = open_bot(data, encoder, config, corpus=Path("corpus"), cache=options.cache)
        row(bot, data.resolve(bot.index.documents), options.seed, options.list)


def row(bot: Bot, dataset: Dataset, seed: int, listed: bool) -> None:
    speller = speller_of(bot.index)
    clean = {question.id: question.text for question in dataset.questions}
    typos = {question.id: misspelt(question, seed) for question in dataset.questions}
    mended = {id: corrected(speller, text) for id, text in typos.items()}
    touched = {id: corrected(speller, text) for id, text in clean.items()}
    found = [ndcg(bot, dataset, texts) for texts in (clean, typos, mended, touched)]
    lost, left = found[0] - found[1], found[0] - found[2]
    print(
        f"| {dataset.name} | {found[0]:.4f} | {found[1]:.4f} | {found[2]:.4f} | {left / lost if lost else 0:.0%} "
        f"| {found[3]:.4f} | {' / '.join(map(str, outcomes(clean, typos, mended)))} |",
        flush=True,
    )
    if listed:
        for text in clean.values():
            for one in speller.corrections(text):
                print(f"    {one.before} → {one.after}    in: {text}")


def speller_of(index: Index) -> Speller:
    documents = index.documents.values()
    names = {document.title for document in documents}
    names |= {heading for document in documents for section in document.sections for heading in section.headings}
    return Speller(vocabulary([*(document.text for document in documents), *names]), names, index.words.together)


def corrected(speller: Speller, text: str) -> str:
    return apply(text, speller.corrections(text))


def misspelt(question: Question, seed: int) -> str:
    chance = random.Random(f"{seed} {question.id}")
    text = question.text
    words = [m for m in re.finditer(r"[^\W\d_]{4,}", text) if m.group().casefold() not in STOP_WORDS]
    longest = sorted(words, key=lambda match: (-len(match.group()), match.start()))[:2]
    for match in sorted(longest, key=lambda match: -match.start()):
        text = text[: match.start()] + typo(match.group(), chance) + text[match.end() :]
    return text


def typo(word: str, chance: random.Random) -> str:
    """`word` with one keyboard error; never `word` itself."""
    while True:
        at = chance.randrange(len(word))
        near = chance.choice(NEIGHBOURS.get(word[at].lower(), "e"))
        made = chance.choice(
            [
                word[:at] + near + word[at + 1 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
                word[: at + 1] + word[at:],
                word[:at] + near + word[at:],
            ]
        )
        if made.casefold() != word.casefold():
            return made


def outcomes(clean: Mapping[str, str], typos: Mapping[str, str], mended: Mapping[str, str]) -> Sequence[int]:
    """How many misspelt words were put right, made another word, and left as they were."""
    right = wrong = left = 0
    for id, text in typos.items():
        words = [asked.split() for asked in (clean[id], text, mended[id])]
        if len(words[0]) != len(words[2]):  # two words were joined, or one parted
            wrong += 1
            continue
        for meant, written, now in zip(*words, strict=True):
            if meant != written:
                right += now.casefold() == meant.casefold()
                left += now == written
                wrong += now != written and now.casefold() != meant.casefold()
    return right, wrong, left


def ndcg(bot: Bot, dataset: Dataset, texts: Mapping[str, str]) -> float:
    run = [
        ir_measures.ScoredDoc(id, document, score) for id, text in texts.items() for document, score in found(bot, text)
    ]
    judged = [
        ir_measures.Qrel(question, document, relevance)
        for question, documents in dataset.judgements.items()
        for document, relevance in documents.items()
    ]
    value: float = ir_measures.calc_aggregate([nDCG @ 10], judged, run)[nDCG @ 10]
    return value


@cache
def found(bot: Bot, text: str) -> Sequence[tuple[str, float]]:
    """The documents that the text finds, each with the score of its best passage."""
    return tuple(_best(bot, text))


def _best(bot: Bot, text: str) -> Iterator[tuple[str, float]]:
    seen = set()
    for hit in retrieve(Query.plain(text), bot.index, bot.encoder, bot.config, K, Timings()):
        if hit.document not in seen:
            seen.add(hit.document)
            yield hit.document, hit.score


if __name__ == "__main__":
    main()
