import itertools
import json
import os
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from conftest import CORPUS, KETAMINE, WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from bot import report
from bot.answer import Answer
from bot.bot import Bot
from bot.cli import main
from bot.confidence import Calibration
from bot.config import Answering, Config, PassageSize
from bot.corpus import read_corpus
from bot.errors import UsageError
from bot.evaluate import Evaluation, evaluate, measure
from bot.evaluation import statistics
from bot.evaluation.abstention import Asked, abstention
from bot.evaluation.calibrate import ANSWERABLE, Calibrated, Sample, fit, threshold
from bot.evaluation.comparison import compare
from bot.evaluation.datasets import Dataset, Question, read_dataset
from bot.evaluation.ranking import METRICS, judge
from bot.evaluation.trec import ordered, read_run, write_qrels, write_run
from bot.index import Index

CONFIG = Config(passages=PassageSize(max_tokens=32))
DOCUMENTS = {
    "parking lot": ("Parking", "Park behind the house. The car park opens at eight. Blue badges park in front."),
    "fasting": ("Before", "Do not eat for six hours before the infusion. Water is allowed until two hours before."),
    "dreams": ("Side effects", "Some people have vivid dreams. Tell the nurse about any nightmare or confusion."),
    "pain%20": ("Pain", "The infusion may ease pain for a couple of days. Rest afterwards. Nobody is cured for good."),
    "<b>": ("<script>alert(1)</script>", "Wheelchairs & ramps are at the <i>front</i> door."),
}
QUERIES = {
    "q1": "park behind the house",
    "q 2": "some people have vivid dreams",
    "q3": "eat before infusion",
    "q4": "zebra crossing",
}
QRELS = {"q1": {"parking lot": 2, "<b>": 1}, "q 2": {"dreams": 1}, "q3": {"pain%20": 1, "fasting": 0}, "q4": {"<b>": 1}}
HOPELESS = [
    ("u1", "gift shop <b>", "off_topic"),
    ("u2", "does the infusion ease itching", "not_covered"),
    ("u3", "?x", ""),
]
SPANS = [
    # The second sentence has the question's words and is the answer; in the other the first has them and is not.
    {"id": "s1", "question": "vivid dreams", "context": "Go home. You may have vivid dreams.", "answers": ["vivid"]},
    {"id": "s2", "question": "vivid dreams", "context": "Vivid dreams happen. Rest well.", "answers": ["Rest"]},
    {"id": "s3", "question": "vivid dreams", "context": "Nothing here.", "answers": []},
]


def lines(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder with every optional file."""
    made = tmp_path / "set"
    (made / "qrels").mkdir(parents=True)
    corpus = [{"_id": id, "title": title, "text": text} for id, (title, text) in DOCUMENTS.items()]
    lines(made / "corpus.jsonl", [*corpus, {"_id": "empty", "title": "no text", "text": ""}])
    lines(made / "queries.jsonl", [{"_id": id, "text": text} for id, text in QUERIES.items()])
    rows = [f"{query}\t{document}\t{grade}\n" for query, judged in QRELS.items() for document, grade in judged.items()]
    (made / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    hopeless = [{"_id": id, "text": text} | ({"kind": kind} if kind else {}) for id, text, kind in HOPELESS]
    lines(made / "queries_unanswerable.jsonl", hopeless)
    spans = [
        span
        | {
            "answers": [{"text": a, "start": span["context"].index(a)} for a in span["answers"]],
            "is_impossible": not span["answers"],
        }
        for span in SPANS
    ]
    lines(made / "spans.jsonl", spans)
    return made


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WordEncoder:
    """What every command here loads, and a cache of its own."""
    made = WordEncoder(window=256)
    for module in ("bot.evaluate", "bot.evaluation.calibrate"):
        monkeypatch.setattr(f"{module}.load_encoder", lambda choice: made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return made


def bot_over(corpus: Path, config: Config = CONFIG) -> Bot:
    encoder = WordEncoder()
    return Bot(Index.build(read_corpus(corpus, config.corpus), corpus, encoder, config), encoder, config)


# The figures


def test_every_figure_of_the_contract(folder: Path) -> None:
    found = evaluate(folder, CONFIG).to_dict()
    assert (found["dataset"], found["documents"], found["queries"], found["model"]) == ("set", 5, 4, "words")
    assert found["passages"] > 5
    assert (
        list(found["metrics"])
        == list(found["intervals"])
        == ["nDCG@10", "R@10", "R@100", "RR@10", "Success@1", "Success@3"]
    )
    for name, (low, high) in found["intervals"].items():
        assert 0 <= low <= found["metrics"][name] <= high <= 1
    assert {"answerable", "unanswerable", "AUROC", "ECE", "kinds"} <= found["abstention"].keys()
    assert {"answered_when_answerable", "answered_when_unanswerable", "correct_when_answered"} <= found[
        "abstention"
    ].keys()
    assert {kind: of["unanswerable"] for kind, of in found["abstention"]["kinds"].items()} == {
        "off_topic": 1,
        "not_covered": 1,
        "unlabelled": 1,
    }
    assert found["seconds"].keys() == {"index", "queries"}
    assert found["latency_ms"]["p50"] <= found["latency_ms"]["p95"]
    assert "comparison" not in found


def test_the_ranking_is_the_best_passage_of_each_document_that_the_bot_finds(folder: Path) -> None:
    result = evaluate(folder, CONFIG)
    alone = folder.parent / "alone"
    alone.mkdir()
    (alone / "corpus.jsonl").write_bytes((folder / "corpus.jsonl").read_bytes())
    bot = bot_over(alone)
    for id, text in QUERIES.items():
        best: dict[str, float] = {}
        for hit in bot.search(text, 1000):
            best[hit.document] = max(hit.score, best.get(hit.document, -9))
        assert dict(result.rankings[id]) == best
        scores = [score for _, score in result.rankings[id]]
        assert scores == sorted(scores, reverse=True)


def test_metrics_are_those_of_trec_eval_over_the_files_that_are_written(folder: Path, tmp_path: Path) -> None:
    result = evaluate(folder, CONFIG)
    write_run(tmp_path / "run", result.rankings)
    write_qrels(tmp_path / "qrels", result.dataset.judgements)
    with (tmp_path / "run").open() as run, (tmp_path / "qrels").open() as qrels:
        measures = {"ndcg_cut_10", "recall_10", "recall_100", "success_1,3", "recip_rank"}
        found = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(qrels), measures).evaluate(
            pytrec_eval.parse_run(run)
        )
    assert len(found) == len(QUERIES)
    theirs = ("ndcg_cut_10", "recall_10", "recall_100", "recip_rank", "success_1", "success_3")
    for ours, name in zip(METRICS, theirs, strict=True):
        assert result.metrics is not None
        assert result.metrics[ours] == pytest.approx(np.mean([figures[name] for figures in found.values()]))


def test_metrics_by_hand() -> None:
    questions = tuple(Question(id, "x") for id in ("a", "b", "c"))
    dataset = Dataset("d", questions=questions, judgements={"a": {"x": 2, "y": 1}, "b": {"z": 1}, "c": {"w": 1}})
    values = judge(dataset, {"a": [("y", 3.0), ("n", 2.0), ("x", 1.0)], "b": [("n", 1.0)]})
    ideal = 2 + 1 / np.log2(3)
    assert values["a"]["nDCG@10"] == pytest.approx((1 + 2 / np.log2(4)) / ideal)
    assert values["a"]["RR@10"] == values["a"]["Success@1"] == values["a"]["R@10"] == 1
    assert set(values["b"].values()) == set(values["c"].values()) == {0.0}  # c has no result at all


@given(st.dictionaries(st.text("abé", min_size=1), st.sampled_from([0.0, 0.5, 1.0]), min_size=1))
def test_ties_are_ordered_as_by_trec_eval(scores: dict[str, float]) -> None:
    first = ordered(scores, 100)[0][0]
    for item in scores:
        found = pytrec_eval.RelevanceEvaluator({"q": {item: 1}}, {"success_1"}).evaluate({"q": scores})
        assert found["q"]["success_1"] == (item == first)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_auroc_is_the_share_of_pairs(positive: list[int], negative: list[int]) -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative)]
    assert statistics.auroc(np.array(positive), np.array(negative)) == pytest.approx(np.mean(pairs))


def test_bootstrap_intervals() -> None:
    values = np.random.default_rng(1).random((400, 2))
    values[:, 1] = 0.25
    (low, high), constant = statistics.bootstrap(values)
    error = values[:, 0].std() / np.sqrt(400)
    assert (low, high) == pytest.approx(
        (values[:, 0].mean() - 1.96 * error, values[:, 0].mean() + 1.96 * error), abs=0.004
    )
    assert constant == pytest.approx((0.25, 0.25))
    assert statistics.bootstrap(values) == [(low, high), constant]


def test_a_share_over_some_questions_has_the_interval_of_these_questions() -> None:
    generator = np.random.default_rng(2)
    whole = (generator.random(2000) < 0.5).astype(float)
    part = whole * (generator.random(2000) < 0.3)
    low, high = statistics.bootstrap_share(part, whole)
    share = part.sum() / whole.sum()
    error = np.sqrt(share * (1 - share) / whole.sum())
    assert (low, high) == pytest.approx((share - 1.96 * error, share + 1.96 * error), abs=0.006)
    assert statistics.bootstrap_share(np.zeros(3), np.zeros(3)) == (0.0, 0.0)


def test_the_interval_of_auroc_is_that_of_a_plain_bootstrap() -> None:
    generator = np.random.default_rng(3)
    positive, negative = generator.normal(1, 1, 60).round(1), generator.normal(0, 1, 40).round(1)
    plain = [statistics.auroc(generator.choice(positive, 60), generator.choice(negative, 40)) for _ in range(2000)]
    assert statistics.bootstrap_auroc(positive, negative) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.015)


def test_the_randomisation_test_agrees_with_every_flip_tried() -> None:
    differences = np.array(
        [[0.3, 0.0], [0.1, 0.0], [-0.2, 0.0], [0.4, 0.0], [0.2, 0.0], [0.1, 0.0], [-0.1, 0.0], [0.3, 0.0]]
    )
    observed = abs(differences[:, 0].sum())
    flips = [abs(np.dot(signs, differences[:, 0])) for signs in itertools.product((-1, 1), repeat=8)]
    exact = np.mean([flip >= observed - 1e-9 for flip in flips])
    p = statistics.randomisation(differences)
    assert p[0] == pytest.approx(exact, abs=0.015)
    assert p[1] == 1
    assert statistics.randomisation(np.ones((40, 1)))[0] == pytest.approx(1 / 10_001)
    np.testing.assert_array_equal(statistics.randomisation(differences), p)


def test_calibration_error_by_hand() -> None:
    confidence = np.repeat([0.9, 0.2], 20)
    correct = np.array([1] * 14 + [0] * 6 + [1] * 4 + [0] * 16)
    assert [one.questions for one in statistics.reliability(confidence, correct)] == [20, 20]
    assert statistics.calibration_error(confidence, correct) == pytest.approx((abs(0.9 - 0.7) + 0) / 2)
    assert len(statistics.reliability(np.linspace(0, 1, 3000), np.ones(3000))) == 15
    assert statistics.calibration_error_by_chance(np.zeros(50)) == 0
    assert 0.05 < statistics.calibration_error_by_chance(np.full(40, 0.5)) < 0.12


def test_risk_and_coverage_by_hand() -> None:
    found = statistics.risk_coverage(np.array([0.5, 0.9, 0.5, 0.1]), np.array([0, 1, 1, 0]))
    assert found == [(0.9, 0.25, 0.0), (0.5, 0.75, pytest.approx(1 / 3)), (0.1, 1.0, 0.5)]


def asked(answerable: bool, answered: bool, confidence: float, correct: bool, kind: str = "") -> Asked:
    return Asked(Question("q", "q", kind=kind), answerable, answered, confidence, correct, (), None, (), 1.0)


def test_abstention_by_hand() -> None:
    found = abstention(
        [
            asked(True, True, 0.9, True),
            asked(True, True, 0.8, False),
            asked(True, True, 0.7, True),
            asked(True, False, 0.3, True),
            asked(False, True, 0.8, False, "adversarial"),
            asked(False, False, 0.1, False, "off_topic"),
        ]
    ).to_dict()
    assert found["AUROC"] == pytest.approx((1 + 0.5 + 0 + 0 + 4) / 8)
    assert found["answered_when_answerable"] == 0.75
    assert found["answered_when_unanswerable"] == 0.5
    assert found["correct_when_answered"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["ECE"] == pytest.approx(abs(3.6 / 6 - 3 / 6))  # six questions are one bin
    assert found["kinds"]["off_topic"] == {"unanswerable": 1, "AUROC": 1.0, "answered_when_unanswerable": 0.0}
    assert found["kinds"]["adversarial"] == {"unanswerable": 1, "AUROC": 0.375, "answered_when_unanswerable": 1.0}


def test_answers_are_those_of_ask(folder: Path) -> None:
    """Every confidence, outcome and first quote is what `bot.ask` says; a question's history goes along."""
    told: list[tuple[str, tuple[str, ...]]] = []

    class Recording(Bot):
        def ask(self, question: str, history: Sequence[str] = ()) -> Answer:
            told.append((question, tuple(history)))
            return super().ask(question, history)

    alone = folder.parent / "alone"
    alone.mkdir()
    (alone / "corpus.jsonl").write_bytes((folder / "corpus.jsonl").read_bytes())
    plain = bot_over(alone, Config(passages=PassageSize(max_tokens=32), answer=Answering(answer_above=0.3)))
    lines(
        folder / "queries.jsonl", [{"_id": id, "text": text, "history": ["hello", id]} for id, text in QUERIES.items()]
    )
    dataset = read_dataset(folder)
    result = measure(Recording(plain.index, plain.encoder, plain.config), dataset.resolve(plain.index.documents))
    assert told == [*((text, ("hello", id)) for id, text in QUERIES.items()), *((text, ()) for _, text, _ in HOPELESS)]
    for one in result.asked:
        answer = plain.ask(one.question.text)
        assert (one.confidence, one.answered) == (answer.confidence, bool(answer.quotes))
        if answer.quotes and one.answerable:
            assert one.correct == (QRELS[one.question.id].get(answer.quotes[0].document, 0) > 0)
        assert one.correct <= one.answerable


def test_a_question_that_cannot_be_asked_counts_nothing(folder: Path) -> None:
    lines(
        folder / "queries.jsonl",
        [{"_id": id, "text": text if id != "q1" else "x" * 3000} for id, text in QUERIES.items()],
    )
    result = evaluate(folder, CONFIG)
    assert result.asked[0].ranking == ()
    assert set(result.asked[0].values.values()) == {0.0}
    assert not result.asked[0].answered


def test_highlights_by_hand(folder: Path) -> None:
    found = evaluate(folder, CONFIG).to_dict()["highlights"]
    assert found["questions"] == 2
    assert found["sentence_P@1"] == 0.5
    assert found["MAP"] == pytest.approx((1 + 1 / 2) / 2)


def test_a_folder_with_only_spans_gives_highlights_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (folder / "spans.jsonl").rename(tmp_path / "only" / "spans.jsonl")
    found = evaluate(tmp_path / "only", CONFIG).to_dict()
    assert found["highlights"]["questions"] == 2
    assert found["metrics"] is found["abstention"] is found["latency_ms"] is None
    assert evaluate(folder, CONFIG).highlights is None


def test_marked_sentences_need_not_be_ours(folder: Path) -> None:
    context = "Go home, you may have dreams."
    marked = [{"start": 0, "end": 8, "label": 0}, {"start": 9, "end": 29, "label": 1}]
    span = {"id": 7, "question": "dreams", "context": context, "answers": [], "sentences": marked}
    lines(folder / "spans.jsonl", [span])
    assert evaluate(folder, CONFIG).to_dict()["highlights"] == {
        "questions": 1,
        "sentence_P@1": 1,
        "sentence_F1": 1,
        "MAP": 1,
    }


# Files


def test_two_runs_are_the_same_bytes_and_the_second_embeds_no_passage(
    folder: Path, tmp_path: Path, encoder: WordEncoder
) -> None:
    before = sorted(path for path in folder.rglob("*"))
    folder.chmod(0o555)
    (folder / "spans.jsonl").chmod(0o444)
    write_run(tmp_path / "1", evaluate(folder, CONFIG, cache=tmp_path / "cache").rankings)
    made = len(encoder.embedded)
    write_run(tmp_path / "2", evaluate(folder, CONFIG, cache=tmp_path / "cache").rankings)
    folder.chmod(0o755)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    sentences = 4  # of spans.jsonl, which have no index
    assert len(encoder.embedded) == made + sentences
    assert sorted(path for path in folder.rglob("*")) == before
    assert not (tmp_path / "xdg").exists()


def test_a_changed_corpus_is_indexed_anew_and_a_damaged_cache_is_mended(folder: Path, tmp_path: Path) -> None:
    first = evaluate(folder, CONFIG, cache=tmp_path / "c")
    for file in (tmp_path / "c").rglob("vectors.npy"):
        file.write_bytes(b"x")
    assert evaluate(folder, CONFIG, cache=tmp_path / "c").rankings == first.rankings
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "new", "text": "A new document."}) + "\n")
    assert evaluate(folder, CONFIG, cache=tmp_path / "c").documents == first.documents + 1


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written") as error:
        evaluate(folder, CONFIG, cache=tmp_path / "file")
    assert "--cache" in error.value.remedy


def test_a_run_survives_ids_with_white_space_and_percent(tmp_path: Path) -> None:
    rankings = {"q 1": (("a b", 1.5), ("c%20d", 1.25), ("e\u2028f", 0.5)), "q2": (("é", 1.0),)}
    write_run(tmp_path / "run", rankings)
    assert read_run(tmp_path / "run") == rankings
    assert (tmp_path / "run").read_bytes().splitlines()[0] == b"q%201 Q0 a%20b 1 1.500000 plainquote"
    write_qrels(tmp_path / "qrels", {"q 1": {"a b": 2}})
    assert (tmp_path / "qrels").read_text() == "q%201 0 a%20b 2\n"


def spoil(name: str, text: str, *, append: bool = True) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        with (folder / name).open("a" if append else "w") as file:
            file.write(text)

    return spoiled


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "corpus.jsonl").unlink(), "corpus.jsonl is missing"),
        (lambda folder: (folder / "queries.jsonl").unlink(), "queries.jsonl is missing"),
        (lambda folder: (folder / "qrels" / "test.tsv").unlink(), "test.tsv is missing"),
        (spoil("qrels/test.tsv", "q9\tdreams\t1\n"), "judges the question 'q9'"),
        (spoil("qrels/test.tsv", "q1\tnowhere\t1\n"), "question q1 name the document 'nowhere'"),
        (spoil("qrels/test.tsv", "q1 dreams 1\n"), "test.tsv line 8 is malformed"),
        (spoil("qrels/test.tsv", "q1\tdreams\tyes\n"), "test.tsv line 8 is malformed"),
        (spoil("qrels/test.tsv", "q1\tparking lot\t1\n"), "two different grades"),
        (spoil("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", append=False), "holds no judgement"),
        (spoil("queries.jsonl", '{"_id": "q1", "text": "again"}\n'), "line 5: the id 'q1' is taken"),
        (spoil("queries.jsonl", '{"_id": "q5"}\n'), 'line 5 is malformed: it has no "text"'),
        (spoil("queries.jsonl", '{"text": "x"}\n'), 'it has no "_id"'),
        (spoil("queries.jsonl", '{"_id": "q5", "text": "x", "history": "y"}\n'), '"history" is not a list'),
        (spoil("queries.jsonl", '{"_id": "q5", "text": "x", "kind": 1}\n'), '"kind" is not text'),
        (spoil("queries.jsonl", "[1]\n"), "not a JSON object"),
        (spoil("queries.jsonl", "{\n"), "line 5 is malformed: it is not JSON"),
        (spoil("queries_unanswerable.jsonl", "", append=False), "holds no question"),
        (spoil("spans.jsonl", '{"id": 1, "question": "x"}\n'), 'needs "question" and "context"'),
        (spoil("spans.jsonl", '{"id": 1, "question": "x", "context": "y", "answers": [1]}\n'), '"answers" are'),
        (
            spoil(
                "spans.jsonl", '{"id": 1, "question": "x", "context": "y", "answers": [{"text": "z", "start": 0}]}\n'
            ),
            "does not stand at its start",
        ),
    ],
)
def test_what_is_wrong_with_a_dataset_is_said(folder: Path, break_it: Callable[[Path], None], said: str) -> None:
    break_it(folder)
    with pytest.raises(UsageError) as error:
        evaluate(folder, CONFIG)
    assert said in error.value.problem
    assert error.value.remedy


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no dataset"):
        evaluate(tmp_path / "nowhere", CONFIG)
    with pytest.raises(UsageError, match="is no dataset"):
        evaluate(tmp_path, CONFIG)
    (tmp_path / "questions.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        evaluate(tmp_path, CONFIG)


def test_a_judged_document_without_text_can_only_be_missed(folder: Path) -> None:
    spoil("qrels/test.tsv", "q4\tempty\t1\n")(folder)
    assert evaluate(folder, CONFIG).dataset.judgements["q4"]["empty"] == 1


def test_other_questions_with_the_same_ids_and_more_unanswerable_ones(folder: Path, tmp_path: Path) -> None:
    other = lines(tmp_path / "other.jsonl", [{"_id": id, "question": "vivid dreams"} for id in (*QUERIES, "unjudged")])
    more = lines(tmp_path / "more.jsonl", [{"_id": "u1", "text": "stars", "kind": "off_topic"}])
    result = evaluate(folder, CONFIG, queries=other, unanswerable=[more, more])
    assert {one.question.text for one in result.asked if one.answerable} == {"vivid dreams"}
    assert result.dataset.unjudged == 1
    assert result.abstention is not None
    assert result.abstention.kinds["off_topic"].questions == 3


# Own test sets


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Staff's folder, over a corpus of one document beside it."""
    (tmp_path / "corpus").mkdir()
    text = "Parking\n\nPark behind the house. It is free.\n\nInfusion\n\nRest for an hour. It is warm. "
    text += "Somebody drives you home."
    (tmp_path / "corpus" / "day care.txt").write_text(text, encoding="utf-8")
    folder = tmp_path / "own"
    folder.mkdir()
    drive = text.index("Somebody")
    lines(
        folder / "questions.jsonl",
        [
            {"_id": "a", "question": "park behind", "document": "day care.txt", "quote": "Park behind the house."},
            {
                "_id": "b",
                "text": "drives home",
                "document": "day care.txt",
                "start": drive,
                "end": len(text),
                "kind": "lay",
            },
            {
                "_id": "c",
                "text": "rest",
                "document": "day care.txt",
                "quote": "Somebody drives",
                "also": [{"document": "day care.txt", "quote": "Rest for an hour."}],
            },
            {"_id": "d", "text": "zebra stripes", "unanswerable": True, "kind": "off_topic"},
        ],
    )
    return folder


def own_result(own: Path, tokens: int = 32) -> Evaluation:
    return evaluate(own, Config(passages=PassageSize(max_tokens=tokens)), corpus=own.parent / "corpus")


@pytest.mark.parametrize("tokens", [16, 24, 64])
def test_gold_survives_another_cut(own: Path, tokens: int) -> None:
    result = own_result(own, tokens)
    assert result.metrics is not None
    assert result.metrics["R@10"] == result.metrics["Success@1"] == 1
    assert result.abstention is not None
    assert (result.abstention.answerable, result.abstention.unanswerable) == (3, 1)
    for one in result.asked[:3]:
        items = [item for item, _ in one.ranking]
        assert len(items) == len(set(items))


def test_an_own_run_can_be_read_by_trec_tools_and_compared_after_another_cut(own: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", own_result(own, 16).rankings)
    assert b"day%20care.txt:9-31 " in (tmp_path / "run").read_bytes()
    result = evaluate(own, CONFIG, corpus=own.parent / "corpus", run=tmp_path / "run")
    assert result.comparison is not None
    assert result.comparison.metrics["R@10"].before == 1


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"document": "day care.txt", "quote": "Park in front."}, "question z: its quote is not in day care.txt"),
        ({"document": "day care.txt", "quote": "It is "}, "question z: its quote is in day care.txt more than once"),
        ({"document": "gone.txt", "quote": "x"}, "question z: there is no document 'gone.txt'"),
        ({"document": "day care.txt", "start": 100, "end": 900}, "question z: day care.txt has only"),
        (
            {"document": "day care.txt", "start": 0, "end": 7, "sha256": "0" * 64},
            "question z: day care.txt is not the one",
        ),
        ({"document": "day care.txt"}, 'needs a "quote", or "start" and "end"'),
        ({"document": "day care.txt", "start": 4, "end": 4}, "0 ≤ start < end"),
        ({"document": "day care.txt", "start": 0, "end": 4, "quote": "x"}, 'either a "quote" or'),
        ({"quote": "x"}, 'it names no "document"'),
        ({"unanswerable": "yes"}, "neither true nor false"),
        ({"document": "day care.txt", "quote": "Rest", "also": "x"}, '"also" is not a list'),
    ],
)
def test_a_question_whose_document_changed_is_named(own: Path, record: dict[str, Any], said: str) -> None:
    with (own / "questions.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "z", "text": "question", **record}) + "\n")
    with pytest.raises(UsageError) as error:
        own_result(own)
    assert said in error.value.problem


def test_the_shipped_test_set_fits_the_shipped_corpus() -> None:
    dataset = read_dataset(Path(__file__).parent / "eval")
    bot = bot_over(CORPUS)
    resolved = dataset.resolve(bot.index.documents)
    assert len(resolved.questions) >= 24
    assert len(resolved.unanswerable) >= 12
    assert {"off_topic", "not_covered", "adversarial"} == {question.kind for question in resolved.unanswerable}
    text = KETAMINE.read_text(encoding="utf-8")
    for ranges in resolved.ranges.values():
        assert all(text[r.start : r.end].strip() == text[r.start : r.end] for r in ranges)


# Comparison


def test_a_comparison_by_hand() -> None:
    questions = tuple(Question(id, "x") for id in "abcd")
    dataset = Dataset("d", questions=questions, judgements={id: {"x": 1} for id in "abcd"})
    now = {"a": (("x", 2.0), ("y", 1.0)), "b": (("x", 1.0),), "c": (("y", 2.0), ("x", 1.0)), "d": ()}
    before = {"a": (("y", 2.0), ("x", 1.0)), "c": (("x", 1.0),)}  # b had no result
    found = compare("old", dataset, before, now, judge(dataset, now))
    first, all_of_it = found.metrics["Success@1"], found.metrics["R@10"]
    assert (first.before, first.difference, first.wins, first.ties, first.losses) == (0.25, 0.25, 2, 1, 1)
    assert (all_of_it.before, all_of_it.difference, all_of_it.wins, all_of_it.ties) == (0.5, 0.25, 1, 3)
    assert first.p == 1  # of the eight ways to flip three signs, each is as extreme as 1, or more
    assert [(m.question.id, m.first_before, m.first_now) for m in found.changed_most] == [
        ("b", None, "x"),
        ("a", "y", "x"),
        ("c", "x", "y"),
    ]


def test_a_run_against_itself_differs_in_nothing(folder: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", evaluate(folder, CONFIG).rankings)
    comparison = evaluate(folder, CONFIG, run=tmp_path / "run").comparison
    assert comparison is not None
    assert {(change.difference, change.p, change.ties) for change in comparison.metrics.values()} == {(0, 1, 4)}
    assert comparison.changed_most == ()


@pytest.mark.parametrize(("line", "said"), [("q1 Q0 dreams 1\n", "no line of a TREC run"), ("q9 Q0 x 1 1 t\n", "'q9'")])
def test_a_run_that_does_not_fit(folder: Path, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "run").write_text(line)
    with pytest.raises(UsageError, match=said):
        evaluate(folder, CONFIG, run=tmp_path / "run")
    with pytest.raises(UsageError, match="cannot be read"):
        evaluate(folder, CONFIG, run=tmp_path / "nowhere")


# The report


class Tags(HTMLParser):
    """Checks that every element that is opened is closed, and gathers what would load or run something."""

    VOID = frozenset({"meta", "line", "circle", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.suspect: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"script", "img", "link", "iframe", "object", "i", "b "} or tag.startswith("alert"):
            self.suspect.append(tag)
        self.suspect += [name for name, _ in attrs if name in {"src", "href", "style"} or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_whole_escaped_and_loads_nothing(folder: Path, tmp_path: Path) -> None:
    config = Config(passages=PassageSize(max_tokens=32), answer=Answering(answer_above=0.0))
    write_run(tmp_path / "run", {"q1": (("x<y\x1b", 1.0),)})
    page = report.html(evaluate(folder, config, run=tmp_path / "run"))
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert tags.suspect == []
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "gift shop &lt;b&gt;" in page
    assert "x&lt;y\ufffd" in page
    assert "\x1b" not in page
    for part in (
        "Risk and coverage",
        "Reliability",
        "The worst questions",
        "Should have been",
        "got quotes",
        "off_topic",
    ):
        assert part in page


def test_a_report_has_only_what_was_measured(folder: Path, own: Path) -> None:
    for name in ("queries_unanswerable.jsonl", "spans.jsonl"):
        (folder / name).unlink()
    page = report.html(evaluate(folder, CONFIG))
    assert "no answer?" not in page
    assert "right sentences" not in page
    assert "What changed" not in page
    assert "Should have been" not in report.html(own_result(own))  # all was found first


# Calibration


def sample(name: str, size: int, seed: int, slope: float = 6.0) -> Sample:
    """Two features of which the first decides; the second is noise that a fit would give a negative weight."""
    generator = np.random.default_rng(seed)
    first = generator.random(size)
    correct = generator.random(size) < 1 / (1 + np.exp(-(slope * first - slope / 2)))
    second = 0.5 - 0.3 * correct + 0.1 * generator.random(size)
    features = np.full((size, 10, 2), np.nan)
    features[:, 0] = np.stack([first, second], axis=1)
    kinds = [ANSWERABLE if right else ("off_topic", "not_covered")[at % 2] for at, right in enumerate(correct)]
    return Sample(name, {"f": "0"}, ("dense", "noise"), features, correct, tuple(kinds))


def test_a_fit_finds_the_slope_and_no_coefficient_is_negative() -> None:
    found = fit([sample("a", 4000, 1)])
    assert found.coefficients["noise"] == 0
    assert found.coefficients["dense"] == pytest.approx(6, rel=0.15)
    assert fit([sample("a", 4000, 1)]) == found


def test_datasets_and_kinds_weigh_the_same() -> None:
    small, large = sample("a", 40, 1), sample("b", 4000, 2)
    for one in (small, large):
        assert one.weights.sum() == pytest.approx(1)
        assert {round(one.weights[rows].sum(), 9) for rows in one.groups.values()} == {round(1 / 3, 9)}
    assert fit([small, large]) == fit([small, large])
    twice = fit([large, large])
    assert twice.coefficients["dense"] == pytest.approx(fit([large]).coefficients["dense"], rel=1e-3)


@pytest.mark.parametrize("target", [1, 5, 20])
def test_a_threshold_is_the_least_that_keeps_the_target(target: int) -> None:
    one = sample("a", 3000, 5)
    found = fit([one])
    least = threshold(found, [one], target)["threshold"]
    surest = found.surest(one)

    def answered(at: float) -> float:
        return float(max((surest[rows] >= at).mean() for kind, rows in one.groups.items() if kind != ANSWERABLE))

    assert answered(least) <= target / 100 + 1e-9 < answered(round(least - 0.0001, 4))


def test_a_calibration_names_what_it_rests_on_and_can_be_read() -> None:
    found = Calibrated(fit([sample("a", 300, 1), sample("b", 300, 2)]), (sample("a", 300, 1), sample("b", 300, 2)))
    made = found.to_dict()
    read = Calibration(made["intercept"], made["coefficients"], {})
    at = float(sample("a", 300, 1).features[0, 0, 0])
    assert read.confidence({"dense": at, "noise": 0}) == pytest.approx(found.fit.first(found.samples[0])[0], abs=0.001)
    assert [row["dataset"] for row in made["left_out"]] == ["a", "b"]
    assert all(0 <= row["ECE"] < 0.2 and row["AUROC_correct"] > 0.8 for row in made["left_out"])
    assert [row["target_percent"] for row in made["thresholds"]] == [1, 2, 5, 10, 20]
    assert report.calibration(made)


# The commands


def test_the_eval_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    files = ["--run", "r", "--qrels", "j", "--html", "h.html"]
    assert main(["eval", str(folder), "--json", *files]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["queries"] == 4
    assert "%" not in err  # no progress bar: this is no terminal
    assert Path("h.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(Path("j").read_text().splitlines()) == 6
    assert os.listdir(".cache") == ["plainquote"]
    assert main(["eval", str(folder), "--compare", "r"]) == 0
    out, _ = capsys.readouterr()
    assert "Against r" in out
    assert f"nDCG@10                      {found['metrics']['nDCG@10']:.4f}" in out
    assert main(["eval", str(folder), "--json", "--compare", "r"]) == 0
    assert json.loads(capsys.readouterr().out)["comparison"]["metrics"]["R@10"]["difference"] == 0


@pytest.mark.parametrize(
    "arguments", [["nowhere"], [".", "--run", "no/such/folder"], [".", "--html", "no/such/x.html"]]
)
def test_what_the_user_can_mend_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "to fix: " in err


def test_the_calibrate_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["calibrate", str(folder), "--cache", str(tmp_path / "c"), "--output", str(tmp_path / "fit.json")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = (tmp_path / "fit.json").read_bytes()
    assert json.loads(first) == found
    assert found["fitted_on"][0]["questions"] == {"answerable": 4, "off_topic": 1, "not_covered": 1, "unlabelled": 1}
    assert found["fitted_on"][0]["sha256"].keys() >= {"corpus.jsonl", "queries.jsonl", "qrels/test.tsv"}
    assert min(found["coefficients"].values()) >= 0
    assert main(arguments) == 0
    assert "intercept" in capsys.readouterr().out
    assert (tmp_path / "fit.json").read_bytes() == first
