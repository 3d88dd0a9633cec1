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
    able absolutely across actually add addictive address addressed advantage advantages advice affect affects
    aftercare afternoon age ago allowed alternative alternatives although amount amounts answer apart apply approach
    approaches area areas around asleep aspect aspects available avoid away bad badly basic basically behind believe
    benefit benefits besides best better big bit bits both bring broadly build bye call called came care careful
    case cases cause caused causes causing certain chance chances change changed changes changing characteristic
    cheap check cheers choice choices come comes coming common commonly compare compared comparison complete
    completely condition conditions connection cons consider contagious contain cool cost costly costs count curable
    curious current currently daily damage danger dangerous dangers day days deadly deal decide definition depend
    describe detail detailed details develop developed developments differ difference differences different
    difficult difficulty disadvantage disadvantages discuss distinct doctor doctors done dosage dose doses downside
    downsides drawbacks duration earlier early easily easy effect effective effectively effectiveness effects
    efficiency efficient either elaborate eligible elsewhere end ending enough especially eventually everything
    evidence exactly example examples exist existed expand expect expected expensive experience explain explanation
    extent face fact factor factors facts famous far fast fatal feel feeling feels felt figure finish first follow
    following form forms found fourth frequencies frequency frequent frequently full fully function general
    generally give given gives good goodbye great group guess guidelines happy hard harm harmful hear heard hello
    hereditary hey hi high higher highly history hmm home hour hours idea ideas image immediately impact impacts
    important improve include included includes including increase increased infectious influence influences info
    interact interaction interactions interested interesting involve involved involves issue issues job keep kept
    key kind kinds knew known large last lasted lasting lasts late later latter lead leading leads least left length
    less let's lethal level levels life likelihood likely limit limitations limits list little live long longer look
    looked looks lose lot lots low lower made main mainly major make makes making manage many matter mattered
    matters maximum meant meet mention mentioned method methods middle mind minimum minute minutes miss missed month
    months morning move name named names necessary negative negatives never new next nice night noon normal normally
    notice number numbers occur occurred occurs odd odds often oh ok okay old older one ones open option options
    order origin others outcome outcomes outweigh overall part particular particularly parts past pay people
    perceived percent perhaps period permanent person pick place places plan play please point points popular
    position positive positives possible possibly precaution precautions prepare prevent prevention price pro
    problem problems process produce product products pros protect provide purpose put question questions quick
    quickly quite range rare rarely rate rates reaction reactions read ready real reason reasons recent recently
    recommend recommended recovery reduce refer referred refers regular regularly relate related relation
    relationship remain remember repeat repeated reported require required requirements respond response rest result
    results reversible rid right risk risks risky role roles rule rules run safe safely safety said saw say saying
    says science second seconds see seem seems seen sense serious seriously set sets several severe short show shown
    shows side sign significant signs similar simple since situation size slightly slow small somewhere soon sorry
    sort sorts sound sounds source sources specific specifically stage stages standard start started starting starts
    stay step steps still stop stopped stops story strange strict strong strongest study succeed success successful
    suggest suggested suggestion suitable suppose supposed sure switch symptom symptoms system systems take taken
    takes taking talk talking team telling term terms test tests thank thanks theory think third thought three time
    times tired today told tolerate tolerated tomorrow tonight took total towards treat treatable treated treating
    treatment treatments treats tried true try trying turn twice two type types typical typically unsafe upside
    upsides useful usual usually value values version versions view views wait waiting watch ways weakest week
    weekend weeks weird well whether whole withdrawal wonder wondering word words worked world worried worry
    worrying worse worst worth wow wrong yeah year years yesterday young
    """.split()
)

# What patients do beside their treatment: "can I drive?" asks about the treatment.
ACTIVITIES = frozenset(
    """
    alcohol awake bath bathe bathing beer breakfast breastfeed breastfeeding coffee drink drinking drive driving eat
    eating exercise exercising fly flying food hurt hurts lift lifting machinery meal meals operate painful
    pregnancy pregnant shower showering sleep sleeping sport sports swim swimming travel traveling travelling walk
    walking wine
    """.split()
)

# Those whom it is about: "is that safe for my mother?" still asks for what.
PEOPLE = frozenset(
    """
    adult adults anyone aunt babies baby boy brother child children dad daughter elderly father friend friends girl
    grandfather grandma grandmother grandpa husband kid kids man men mom mother mum neighbor neighbour parent
    parents partner patient patients people person seniors sister someone son teenager teenagers toddler toddlers
    uncle wife woman women
    """.split()
)

# The clinic itself: "where can I park?" asks about nothing else.
CLINIC = frozenset(
    """
    address appointment appointments bill bus cancel car clinic complain complaint directions email hospital
    insurance interpreter invoice opening park parking phone receipt reception record records reschedule station
    telephone toilet toilets train visiting visitors website wheelchair wifi
    """.split()
)

_WEAK = ACTIVITIES | PEOPLE
_GENERAL = ASPECTS | STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:['’.\-/][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.?!])\s+")

# A question that opens like this goes on with the subject: "and the risks?", "no, I meant in humans", "any others?".
_GOES_ON = re.compile(
    r"(?:(?:ok(?:ay)?|oh|well|hm+|so|right|now|yes|no|yeah|really|thanks|thank you)\b[\s,.!?-]*)*"
    r"(?:(?:and|or|but|also|(?:what|how) about|(?:what|who|where|how|anything) else|any other|which one"
    r"|how so|why not|what (?:kind|type|sort)s?|i meant|i mean|not that|never mind|instead|then)\b"
    r"|any \w+\W*$|(?:is|are) there (?:an?|any|some) \w+\W*$)",
    re.IGNORECASE,
)
# A reference to something said before, wherever it stands.
_REFERS = re.compile(
    r"\b(?:else|as well|too\?|instead|afterwards?|beforehand|meanwhile|you (?:mentioned|said|meant|mean)|the same"
    r"|similar|the (?:former|latter))\b",
    re.IGNORECASE,
)
# A reference as well, unless what it refers to stands before it in the question, or right behind it.
_ONE_OF_THEM = re.compile(
    r"\b(?:others?|these|those|such an?|(?:this|that|the) (?:ones?|others?|two|second|third|first|last|types?|kinds?"
    r"|sorts?|methods?|reasons?|values?|options?|treatments?|medicines?|medications?|drugs?|tablets?|pills?|procedures?"
    r"|tests?|symptoms?|effects?|side effects|approach(?:es)?|conditions?|diseases?|problems?|region|era|period|time"
    r"|team|band|group|movement|article|infusions?|injections?|dose|leaflet)(?!\s+(?:of|for|in|to|with|between|from)\b)"
    r")\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:it|its|it['’]s|they|them|their|theirs|he|him|his|she|her|hers|this|that|that['’]s|these|those|one|ones)\b",
    re.IGNORECASE,
)
# "that" that joins, "it" that stands for nothing, "one" of what the question lists.
_EMPTY_PRONOUN = re.compile(
    r"\b(?:it(?:['’]s| is| was)? (?:\w+ )?\w+ (?:to|that|for (?:\w+ ){1,4}to)\b"
    r"|(?:is|was|would|will|can|could|might) it (?:be )?(?:\w+ )?\w+ (?:to|that|for (?:\w+ ){1,4}to)\b"
    r"|(?:what|how) does it (?:mean|feel|take|cost) (?:if|when|to|that|for \w+)\b|what is it like\b"
    r"|ones?\b|(?:these|those|this|that) (?-i:[A-Z])\w+|th(?:is|ese) (?:drug|medicine|medication|pill|tablet)s? (?=\w)"
    r"|\w{3,} that (?=\w+)|this (?:morning|evening|afternoon|week|month|year)\b)",
    re.IGNORECASE,
)
# It, as subject or object, stands for nothing of its own clause: "does lithium change it?", "how many does it take?".
_CLAUSE = re.compile(
    r"[,;:]|\b(?:and|or|but|if|when|while|because|so|since|before|after|until|than|that|what|which|who|how|where|why)\b",
    re.IGNORECASE,
)
# "Warfarin, is it safe?", the comma left out.
_ASKED_OF_THE_FIRST = re.compile(r"\b(?:is|are|was|were|do|does|did|can|will|should) $", re.IGNORECASE)
_POSSESSIVE = frozenset("its their theirs his her hers".split())
_MINE = re.compile(r"\bmy \w+", re.IGNORECASE)
_AND = re.compile(r"\b(?:and|or)\b", re.IGNORECASE)
_PERSON = frozenset("he him his she her hers".split())
_DANGLING = re.compile(r"\b(?:before|after|during|without)[\s?.!]*$", re.IGNORECASE)
_COMMENT = re.compile(r"(?:(?:ok(?:ay)?|oh|wow|hm+|so|yes|no|thanks)\b[\s,.!-]*)*(?:that|this|it)\b", re.IGNORECASE)
# "other than", "besides": what is not meant is said as well.
_EXCEPTED = re.compile(r"\b(?:besides|other than|else (?:than|besides)|except|apart from|aside from)\b", re.IGNORECASE)

_SUBJECT_OF_A_VERB = frozenset("who i you we they he she it i've you've we've they've i'd you'd".split())
_DETERMINERS = frozenset("a an the my your his her its our their this that these those one it them some any".split())
ENOUGH_NAMES = 3
"""So many words that name things in a question, or two things apart, and only a pronoun makes it lean on another."""


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

    Of the earlier questions those since the last change of subject count. Where even the first of them leans on
    something, that is what was quoted, so title and headings come first; `topics` is called once at most.
    """
    if not history or not leans(question):
        return None
    since = _since_the_last_change(history)
    quoted = topics(history[-1]) if leans(since[0]) or not phrases(since[0]) else ()
    held = {_fold(word) for word in _words(question)}
    named = [phrase for phrase in (*quoted, *_subject(since)) if not {_fold(word) for word in _words(phrase)} <= held]
    context = ", ".join(_at_most(list(dict.fromkeys(named)), MOST_WORDS))
    return Completion(context, f"{question} ({context})") if context else None


def leans(question: str) -> bool:
    """Whether it can only be understood with what was asked before."""
    own = names(question)
    if not own or _unresolved(question):
        return True
    if len(own) >= ENOUGH_NAMES or _things(question) > 1 or any(_fold(name) in CLINIC for name in own):
        return False
    if _EXCEPTED.search(question):
        return False
    one = _ONE_OF_THEM.search(question)
    if one and not names(question[: one.start()]) and not names(" ".join(_words(question[one.end() :])[:1])):
        return True
    known = (
        len(own) == 1
        and not own[0].isupper()
        and re.search(rf"\bthe (?:\w+ )?{re.escape(own[0])}", question, re.IGNORECASE)
    )
    return bool(known or _GOES_ON.match(question) or _REFERS.search(question) or _DANGLING.search(question))


def names(text: str) -> list[str]:
    """Its words that name a thing, as far as rules can tell, in order."""
    return [word for run in _runs(text, _GENERAL | _WEAK) for word in _words(run)]


def phrases(text: str) -> list[str]:
    """Runs of neighbouring words that name a thing, in order; where there are none, of activities or people."""
    return _runs(text, _GENERAL | _WEAK) or _runs(text, _GENERAL)


def _since_the_last_change(history: Sequence[str]) -> Sequence[str]:
    """The questions from the latest one that stands alone; all of them if none does."""
    starts = (at for at in reversed(range(len(history))) if not leans(history[at]))
    return history[next(starts, 0) :]


def _subject(questions: Sequence[str]) -> Iterator[str]:
    """Phrases of the latest question that names something, then of the first, which brought the subject up, then of
    the others, latest first."""
    about = [found for question in questions if (found := phrases(question))]
    for found in (*about[-1:], *about[:1], *reversed(about[1:-1])):
        yield from found


def _things(text: str) -> int:
    """How many things it names apart from each other; "nausea and vomiting" is one."""
    return len(_runs(_AND.sub(" ", text), _GENERAL | _WEAK))


def _unresolved(question: str) -> bool:
    """Whether a pronoun of what is asked stands before anything of the question that it could stand for."""
    sentences = _SENTENCE.split(question)
    asking = [sentence for sentence in sentences if sentence.endswith("?")] or sentences[-1:]
    before = ""
    for sentence in sentences:
        if sentence in asking:
            cleared = _EMPTY_PRONOUN.sub(" ", sentence) if names(sentence) else sentence
            pronoun = _PRONOUN.search(cleared)
            if pronoun:
                own = cleared[: pronoun.start()]
                if _fold(pronoun.group()) not in _POSSESSIVE:
                    whole = len(own) if _ASKED_OF_THE_FIRST.search(own) else 0
                    own = own[: max((border.start() for border in _CLAUSE.finditer(own)), default=whole)]
                if not _resolves(pronoun.group(), f"{before} {own}"):
                    return True
        if not _COMMENT.match(sentence):
            before = f"{before} {sentence}"
    return False


def _resolves(pronoun: str, text: str) -> bool:
    """Whether `pronoun` can stand for something in `text`: he and she for people and names, the others for things."""
    words = [word for run in _runs(text, _GENERAL | ACTIVITIES | CLINIC) for word in _words(run)]
    if _fold(pronoun) in _PERSON:
        return any(_fold(word) in PEOPLE or word[0].isupper() for word in words) or bool(_MINE.search(text))
    return any(_fold(word) not in PEOPLE for word in words)


def _runs(text: str, general: frozenset[str]) -> list[str]:
    """Slices of `text`: neighbouring words that are not general, nor verbs."""
    found = list(_WORD.finditer(text))
    folded = [_fold(word.group()) for word in found]
    runs: list[tuple[int, int]] = []
    for at, word in enumerate(found):
        if _is_general(folded[at], general) or (_is_verb(folded, at) and folded[at] not in CLINIC):
            continue
        start, end = word.span()
        if runs and not text[runs[-1][1] : start].strip():
            start = runs.pop()[0]
        runs.append((start, end))
    return [text[start:end].removesuffix("'s").removesuffix("’s") for start, end in runs]


def _is_general(folded: str, general: frozenset[str]) -> bool:
    return folded in general or folded.removesuffix("s") in general or "'" in folded or not folded[0].isalpha()


def _is_verb(folded: Sequence[str], at: int) -> bool:
    """Whether the word is one by its neighbours: "who won", "to alter his", "I checked"."""
    before = folded[at - 1] if at else ""
    after = folded[at + 1] if at + 1 < len(folded) else ""
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
