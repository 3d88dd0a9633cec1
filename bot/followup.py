"""Follow-up questions: does a question lean on the earlier ones, and on which of their words?

Nothing is composed. What completes a question are runs of words of earlier questions, or the title and headings of
what was quoted for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.lexical import STOP_WORDS

MOST_WORDS = 8
"""Words in a context: the more there are, the less each of them says what is meant."""

Topics = Callable[[str], Sequence[str]]
"""An earlier question → title and headings of what was quoted for it, the most telling first."""

# Words that say what is asked about a thing, or how, but not what the thing is.
ASPECTS = frozenset(
    """
    able absolutely actually add address addressed advantage advantages advice affect affects aftercare afternoon age
    ago allowed alternative alternatives although amount amounts answer apart apply approach approaches
    area areas around aspect aspects available avoid away bad badly basic basically believe benefit benefits besides best
    better big bit bits both bring build call called came care careful case cases cause caused causes causing certain
    chance chances change changed changes changing check cheap choice choices come comes coming common commonly
    compare compared comparison complete completely condition conditions connection consider contain cost costly costs
    count cool curious current currently daily damage danger dangerous dangers day days deadly deal decide definition
    depend describe detail detailed details develop developed developments differ difference differences different
    difficult difficulty disadvantage disadvantages discuss doctor doctors done dosage dose doses downside downsides drawbacks
    duration earlier early easily easy effect effective effectively effectiveness effects efficient efficiency either
    elaborate elsewhere end ending enough especially eventually everything evidence exactly example examples exist
    existed expand expect expected expensive experience explain explanation extent face fact factor factors facts
    famous far fast feel feeling feels felt figure finish first follow following form forms found fourth
    behind slightly somewhere towards across never distinct broadly compare frequency frequencies frequent frequently full fully function general generally give gives given good great group guess guidelines
    happy hard harm harmful hear heard high higher highly history hmm home hour hours idea ideas image immediately
    impact impacts important improve include included includes including increase increased influence influences info
    interested interesting involve involved involves issue issues job keep kept key kind kinds knew known large last
    lasted lasting lasts late later latter lead leading leads least left length less let's level levels life likelihood
    likely limit limitations limits list little live long longer look looked looks lose lot lots low lower made main
    mainly major make makes making manage many mattered matter matters maximum meant meet mention mentioned method
    methods middle mind minimum minute minutes miss missed month months morning move name named names necessary
    negative negatives new next nice night noon normal normally notice number numbers occur occurred occurs odd odds often
    oh ok okay old older one ones open option options order origin others outcome outcomes outweigh overall part
    particular particularly parts past pay people percent perceived perhaps period person pick place places plan play please
    point points popular position positive positives possible possibly precaution precautions prepare prevent
    prevention price pro problem problems process produce product products pros cons protect provide purpose put
    question questions quick quickly quite range rare rarely rate rates reaction reactions read ready real reason
    reasons recent recently recommend recommended recovery reduce refer referred refers regular regularly relate
    related relation relationship remain remember repeat repeated reported require required requirements respond
    response rest result results rid right risk risks risky role roles rule rules run safe safely safety said
    saw say saying says science seconds second see seem seems seen sense serious seriously
    set sets several severe short show shown shows side sign significant signs similar simple since situation size slow
    small soon sorry sort sorts sound sounds source sources specific specifically stage stages standard start started
    starting starts stay step steps still stop stopped stops story strange strict strong study succeed success
    successful suggest suggested suggestion suitable suppose supposed sure switch symptom symptoms system systems
    take taken takes taking talk talking team telling term terms test tests thank thanks theory think third
    thought three time times tired today told tomorrow tonight took total treat treated treating treatment
    treatments treats tried true try trying turn twice two type types typical typically unsafe upside upsides useful
    usual usually value values version versions view views wait waiting watch ways week weeks weekend weird well whether
    whole wonder wondering word words worked world worried worry worrying worse worst worth wow wrong yeah year years
    yesterday young
    """.split()
)

# What patients do beside their treatment: "can I drive?" asks about the treatment.
ACTIVITIES = frozenset(
    """
    drive driving eat eating drink drinking swim swimming fly flying travel travelling traveling shower showering bath
    bathe bathing exercise exercising sport sports sleep sleeping walk walking lift lifting breastfeed breastfeeding
    alcohol wine beer coffee food meal meals breakfast pregnancy operate machinery hurt hurts painful awake
    """.split()
)

# Those whom it is about: "is that safe for my mother?" still asks for what.
PEOPLE = frozenset(
    """
    mother mum mom father dad parents parent wife husband partner son daughter child children kid kids baby babies
    toddler toddlers teenager teenagers brother sister grandmother grandfather grandma grandpa aunt uncle friend
    friends adult adults elderly seniors woman women man men boy girl
    """.split()
)

_WEAK = ACTIVITIES | PEOPLE
_GENERAL = ASPECTS | STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:['’.\-/][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.?!])\s+")

# A question that opens like this goes on with the subject: "and the risks?", "no, I meant in humans".
_GOES_ON = re.compile(
    r"(?:(?:ok(?:ay)?|oh|well|hm+|so|right|now|yes|no|yeah|really|thanks|thank you)\b[\s,.!?-]*)*"
    r"(?:and|or|but|also|(?:what|how) about|what else|who else|where else|how else|anything else|any other|which one"
    r"|what (?:kind|type|sort)s?|what if|how come|how so|why not|i meant|i mean|not that|never mind|instead|then)\b",
    re.IGNORECASE,
)
# A reference to something said before, wherever it stands.
_REFERS = re.compile(
    r"\b(?:these|those|such an?|(?:this|that|the|the same) (?:one|ones|same|others?|two|second|third|first|last|latter"
    r"|former|types?|kinds?|sorts?|methods?|reasons?|values?|options?|treatments?|medicines?|medications?|drugs?|tablets?"
    r"|pills?|procedures?|tests?|symptoms?|effects?|side effects|approach(?:es)?|conditions?|diseases?|problems?|region"
    r"|era|period|time|team|band|group|movement|article|infusions?|injections?|dose|leaflet)"
    r"|others?|else|as well|too\?|instead|afterwards?|beforehand|you (?:mentioned|said|meant|mean)|the same|similar"
    r"|meanwhile)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:it|its|it['’]s|they|them|their|theirs|he|him|his|she|her|hers|this|that|that['’]s|these|those|one|ones)\b",
    re.IGNORECASE,
)
# "that" that joins, "it" that stands for nothing.
_EMPTY_PRONOUN = re.compile(
    r"\b(?:it(?:['’]s| is| was)? (?:\w+ )?(?:\w+) (?:to|that|if|when|for (?:\w+ )+to)\b"
    r"|(?:is|was|would|will|can|could|might) it (?:be )?(?:\w+ )?\w+ (?:to|that|if|when|for (?:\w+ )+to)\b"
    r"|(?:what|how) does it (?:mean|feel|take|cost) (?:if|when|to|that|for \w+)\b|what is it like\b|(?:these|those|this|that) (?:\w+ ){2,4}|\bones?\b"
    r"|\w{3,} that (?=\w+)|this (?:morning|evening|afternoon|week|month|year))",
    re.IGNORECASE,
)
_DANGLING = re.compile(r"\b(?:before|after|during|without)[\s?.!]*$", re.IGNORECASE)
_COMMENT = re.compile(r"(?:(?:ok(?:ay)?|oh|wow|hm+|so|yes|no|thanks)\b[\s,.!-]*)*(?:that|this|it)\b", re.IGNORECASE)
# "other than", "besides": what is not meant is said as well.
_EXCEPTED = re.compile(r"\b(?:besides|other than|else (?:than|besides)|except|apart from|aside from)\b", re.IGNORECASE)

_SUBJECT_OF_A_VERB = frozenset("who i you we they he she it i've you've we've they've i'd you'd".split())
_DETERMINERS = frozenset("a an the my your his her its our their this that these those one it them some any".split())
RICH = 3
"""Names of things in a question from which on only a pronoun makes it lean on another."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a follow-up is searched with.

    context: words of earlier questions, or of titles and headings, that it refers to. text: the question and them,
    as a reader is shown it.
    """

    context: str
    text: str


def complete(question: str, history: Sequence[str], topics: Topics) -> Completion | None:
    """What `question` leans on, `history` being the earlier questions, oldest first; None if it stands alone.

    Of the earlier questions those since the last change of subject count. Where they name no subject, the title and
    headings of what was quoted for the last one do, so `topics` is called once at most.
    """
    if not history or not leans(question):
        return None
    held = {_fold(word) for word in _words(question)}
    named = [phrase for phrase in subject(history) if not {_fold(word) for word in _words(phrase)} <= held]
    context = ", ".join(_at_most(named or topics(history[-1]), MOST_WORDS))
    return Completion(context, f"{question} ({context})") if context else None


def subject(history: Sequence[str]) -> list[str]:
    """What a conversation is about: phrases of its questions since the last change of subject.

    Those of the latest question come first, then those of the one that brought the subject up, then the others.
    """
    about: list[list[str]] = []
    for earlier in history:
        found = phrases(earlier)
        if found:
            about = [*about, found] if leans(earlier) else [found]
    if not about:
        return []
    latest, *others = reversed(about)
    ordered = [latest, *others[-1:], *others[:-1]]
    return list(dict.fromkeys(phrase for found in ordered for phrase in found))


def leans(question: str) -> bool:
    """Whether it can only be understood with what was asked before."""
    own = names(question)
    if not own:
        return True
    if _unresolved(question):
        return True
    if len(own) >= RICH or _EXCEPTED.search(question):
        return False
    return bool(
        _GOES_ON.match(question) or _REFERS.search(question) or _DANGLING.search(question) or _bridges(question, own)
    )


def _unresolved(question: str) -> bool:
    """Whether a pronoun of what is asked stands before anything that it could stand for."""
    sentences = _SENTENCE.split(question)
    asking = [sentence for sentence in sentences if sentence.endswith("?")] or sentences[-1:]
    before: list[str] = []
    for sentence in sentences:
        if sentence in asking:
            cleared = _EMPTY_PRONOUN.sub(" ", sentence) if len(names(sentence)) > 1 else sentence
            pronoun = _PRONOUN.search(cleared)
            if pronoun and not before and not names(cleared[: pronoun.start()]):
                return True
        if not _COMMENT.match(sentence):
            before += names(sentence)
    return False


def _bridges(question: str, own: Sequence[str]) -> bool:
    """Whether the one thing it names is named as known: "how long does the infusion take?"."""
    return len(own) == 1 and re.search(rf"\bthe (?:\w+ )?{re.escape(own[0])}", question, re.IGNORECASE) is not None


def names(question: str) -> list[str]:
    """Its words that name a thing, as far as rules can tell, in order."""
    return [word for run in _runs(question, _GENERAL | _WEAK) for word in _words(run)]


def phrases(question: str) -> list[str]:
    """Runs of neighbouring words that name a thing, in order; where there are none, of activities or people."""
    return _runs(question, _GENERAL | _WEAK) or _runs(question, _GENERAL)


def _runs(question: str, general: frozenset[str]) -> list[str]:
    """Slices of `question`."""
    found = list(_WORD.finditer(question))
    folded = [_fold(word.group()) for word in found]
    runs: list[tuple[int, int]] = []
    for at, word in enumerate(found):
        if _is_general(folded[at], general) or _is_verb(folded, at):
            continue
        start, end = word.span()
        if runs and not question[runs[-1][1] : start].strip():
            start = runs.pop()[0]
        runs.append((start, end))
    return [question[start:end].removesuffix("'s").removesuffix("’s") for start, end in runs]


def _is_general(folded: str, general: frozenset[str]) -> bool:
    return folded in general or folded.removesuffix("s") in general or "'" in folded or not folded[0].isalpha()


def _is_verb(words: Sequence[str], at: int) -> bool:
    """Whether the word is one by its neighbours: "who won", "to alter his", "I checked"."""
    before = words[at - 1] if at else ""
    after = words[at + 1] if at + 1 < len(words) else ""
    return before in _SUBJECT_OF_A_VERB or (before == "to" and after in _DETERMINERS)


def _at_most(phrases: Sequence[str], words: int) -> Iterator[str]:
    """Whole phrases, as long as they have no more than `words` words together; the first in any case."""
    total = 0
    for phrase in phrases:
        total += len(phrase.split())
        if total > words and total > len(phrase.split()):
            return
        yield phrase


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'").removesuffix("'s")
