"""What a question is before it is searched: an emergency, a question about one's own treatment, or another turn.

The rules are in ``bot/rules/*.toml``, for staff to read. They are written to fail safe: a phrase that alarms counts
unless something beside it says that it is denied, long past, asked about, or a manner of speaking.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from bot.patterns import Match, Phrases, Words
from bot.points import Points

FOLDER = Path(__file__).parent / "rules"

Level = Literal["immediate", "urgent", "ask_clinic"]
State = Literal["live", "about", "past", "denied", "harmless"]
LEVELS: tuple[Level, ...] = ("immediate", "urgent", "ask_clinic")
IN_DOUBT = "in_doubt"
"""The category of what is of no other kind, by its own rules or by points alone: its cards say whom to call for any."""
NEAR = 12
"""Words within which the parts of a rule must stand together, unless it says otherwise."""

_DENIED_WITHIN = 3  # words from the denial to what is denied
_DENIED_LIST_WITHIN = 8  # where it goes on with "or"
_ASKED_WITHIN = 2
_NAMED_WITHIN = 5
_PAST_WITHIN = 16
_MOST_REMEMBERED = 3  # earlier questions
_LONGEST_FOLLOW_UP = 14  # words
_BRIEF = 8  # words
_AROUND = 40  # words: what stands further away makes no difference


@dataclass(frozen=True, slots=True)
class Triage(Mapping[str, "str | None"]):
    """What the rules say of a text, also as a mapping of these five names.

    level: None if nothing calls for a card, and for a question about an emergency, whose category and small card are
    named all the same. card: the id of the fixed text. rule: the id of the rule. matched: the words that it found.
    """

    level: Level | None = None
    category: str | None = None
    card: str | None = None
    rule: str | None = None
    matched: str | None = None

    def __getitem__(self, name: str) -> str | None:
        return self.to_dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(fields(self))

    def to_dict(self) -> dict[str, str | None]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the rules say of a text: a live emergency, one that is asked about, a question about one's own
    treatment, and a turn that is no question. `asks_dose`: the personal question is about a dose."""

    emergency: Triage | None = None
    about: Triage | None = None
    personal: Triage | None = None
    turn: Triage | None = None
    asks_dose: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a TOML file; docs/emergencies.md says what each entry means."""

    id: str
    category: str
    level: Level | None
    card: str
    phrases: tuple[str, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    near: int = NEAR
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()
    negated: Level | None = None
    past: Level | None = None
    about: bool = False
    kind: str = ""
    spare: int = 0
    examples: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A rule that fits ``words[start:end]``, and what the words around make of it."""

    rule: Rule
    start: int
    end: int
    state: State


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, compiled. topics: by category, the phrases that name an emergency without telling of one. points: of
    the words, for what no rule names."""

    rules: tuple[Rule, ...]
    topics: Mapping[str, tuple[str, ...]]
    phrases: Phrases
    points: Points


def triage(text: str, history: Sequence[str] = ()) -> Triage:
    """The most pressing thing that the rules say of `text`; `history` holds the earlier questions, oldest first."""
    reading = read(text, history)
    return reading.emergency or reading.personal or reading.about or Triage()


def read(text: str, history: Sequence[str] = (), rules: Rules | None = None) -> Reading:
    """Everything that the rules say of `text`; `history` holds the earlier questions, oldest first. rules: the shipped
    ones, if none are given.

    A turn that goes on about an emergency of one of the last three questions ("what should I do?") is one too, and one
    that says that what was asked about is happening ("now it's getting worse") is urgent.
    """
    rules = rules or load_rules()
    reading, words, matches = _read(text, rules)
    if reading.emergency or not history or not _goes_on(words, matches):
        return reading
    for earlier in reversed(history[-_MOST_REMEMBERED:]):
        before = _read(earlier, rules)[0]
        emergency = before.emergency
        if before.about and "comes_true" in matches:
            emergency = _at(before.about, "urgent")
        if emergency:
            return Reading(emergency, None, reading.personal, None, reading.asks_dose)
    return reading


def _at(found: Triage, level: Level) -> Triage:
    """The same at this level."""
    return (
        found
        if found.level == level
        else Triage(level, found.category, f"card_{found.category}_{level}", found.rule, found.matched)
    )


@cache
def load_rules() -> Rules:
    """The shipped rules. Raises ValueError for a list that is defined twice or unknown."""
    return compile_rules(Points.read(FOLDER / "points.toml"))


def compile_rules(points: Points) -> Rules:
    """The shipped rules with other points."""
    files = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.toml"))
        if path.stem != "points"
    }
    shared = files["words"]
    lists: dict[str, Sequence[str]] = {}
    rules: list[Rule] = []
    topics: dict[str, tuple[str, ...]] = {}
    for stem, file in files.items():
        for name, phrases in file.get("lists", {}).items():
            if name in lists:
                raise ValueError(f"{stem}.toml: the list {name} is defined twice")
            lists[name] = phrases
        if "category" in file:
            rules.extend(_rule(entry, file["category"]) for entry in file.get("rule", ()))
            topics[file["category"]] = tuple(file.get("topics", ()))
    for rule in rules:
        lists[rule.id] = rule.phrases
        for phrase in (*rule.needs, *rule.unless, *rule.apart_from):
            lists[f"beside {phrase}"] = (phrase,)
        for part in (part for parts in rule.together for part in parts):
            lists[f"part {part}"] = part.split("|")
    for category, phrases in topics.items():
        lists[f"topic.{category}"] = phrases
    real = frozenset((FOLDER / "real_words.txt").read_text(encoding="utf-8").split())
    numbers = {name: (low, high) for name, (low, high) in shared["numbers"].items()}
    compiled = Phrases(lists, shared["written"], shared["fillers"], numbers, real, points.words())
    return Rules(tuple(rules), MappingProxyType(topics), compiled, points)


def _rule(entry: Mapping[str, Any], category: str) -> Rule:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    values["together"] = tuple(tuple(parts) for parts in entry.get("together", ()))
    level = entry.get("level")
    values.setdefault("card", "personal_advice" if category == "personal" else f"card_{category}_{level}")
    return Rule(**{"category": category, "level": level, **values})


def _read(text: str, rules: Rules) -> tuple[Reading, Words, Mapping[str, Sequence[Match]]]:
    words = rules.phrases.words(text)
    matches: dict[str, list[Match]] = defaultdict(list)
    for match in rules.phrases.find(words):
        matches[match.name].append(match)
    found = [fit for rule in rules.rules for fit in _fits(rule, matches, words)]
    emergencies = [fit for fit in found if fit.rule.category not in ("personal", "turn")]
    live = [(level, fit) for fit in emergencies if (level := _level(fit))]
    ruled = _most_pressing(live)
    emergency = _said(ruled[1], text, words, ruled[0]) if ruled else None
    about = None if emergency else _asked_about(emergencies, matches, words, text, rules)
    personal = [fit for fit in found if fit.rule.category == "personal"]
    turns = [fit for fit in found if fit.rule.category == "turn"]
    if emergency or not turns:
        emergency = _with_points(emergency, about, bool(personal), rules.points, words, text)
    return (
        Reading(
            emergency=emergency,
            about=None if emergency else about,
            personal=_said(personal[0], text, words, "ask_clinic") if personal else None,
            turn=_said(turns[0], text, words, None) if turns and not emergency and not personal else None,
            asks_dose=any(fit.rule.kind == "dose" for fit in personal),
        ),
        words,
        matches,
    )


def _most_pressing(live: Sequence[tuple[Level, Found]]) -> tuple[Level, Found] | None:
    """The first of the highest level, or what goes on where it ends: "want to kill" is less than "kill myself"."""
    ordered = sorted(live, key=lambda pair: (LEVELS.index(pair[0]), pair[1].start))
    best = ordered[0] if ordered else None
    for level, fit in ordered:
        if best and level == best[0] and fit.start < best[1].end < fit.end:
            best = level, fit
    return best


def _with_points(
    emergency: Triage | None, about: Triage | None, personal: bool, points: Points, words: Words, text: str
) -> Triage | None:
    """What no rule names; what is more pressing than the rules say of it, and what is less. A personal question needs
    more points than others: it has words such as "my tablets" by its nature."""
    tally = points.tally(words)
    if emergency is None or emergency.level is None:
        least = points.urgent + points.enough if personal else points.urgent
        if tally.points < least or tally.alarming < points.enough:
            return None
        level: Level = "immediate" if tally.points >= points.immediate else "urgent"
        category = about.category if about and about.category else IN_DOUBT
        matched = _slice(tally.start, tally.end, text, words)
        return Triage(level, category, f"card_{category}_{level}", "points", matched)
    if tally.points < points.calm:
        return _at(emergency, "urgent") if emergency.level == "immediate" else None
    return _at(emergency, "immediate") if tally.points >= points.immediate else emergency


def _fits(rule: Rule, matches: Mapping[str, Sequence[Match]], words: Words) -> Iterator[Found]:
    """Each place where the rule fits, whatever the words around make of it."""
    direct = matches.get(rule.id, ())
    if rule.spare and len(words.words) - _covered(direct) > rule.spare:
        return
    for match in direct:
        if _allowed(rule, match, matches, words):
            yield Found(rule, match.start, match.end, _state(rule, match, matches, words))
    for parts in rule.together:
        for group in _groups([matches.get(f"part {part}", ()) for part in parts], rule.near):
            whole = Match(rule.id, min(part.start for part in group), max(part.end for part in group))
            if _allowed(rule, whole, matches, words):
                states = [_state(rule, part, matches, words) for part in group]
                yield Found(rule, whole.start, whole.end, next((s for s in states if s != "live"), "live"))


def _covered(matches: Sequence[Match]) -> int:
    return len({at for match in matches for at in range(match.start, match.end)})


def _groups(parts: Sequence[Sequence[Match]], near: int) -> Iterator[list[Match]]:
    """For each place of the first part the closest one of every other, if all are near."""
    if not all(parts):
        return
    starts = [[match.start for match in part] for part in map(_by_start, parts[1:])]
    ordered = [_by_start(part) for part in parts[1:]]
    for first in parts[0]:
        group = [first]
        for part, at in zip(ordered, starts, strict=True):
            place = bisect_left(at, first.start)
            group.append(min(part[max(0, place - 1) : place + 1], key=lambda match: abs(match.start - first.start)))
        if all(abs(match.start - first.start) <= near for match in group):
            yield group


def _by_start(matches: Sequence[Match]) -> list[Match]:
    return sorted(matches, key=lambda match: (match.start, match.end))


def _allowed(rule: Rule, match: Match, matches: Mapping[str, Sequence[Match]], words: Words) -> bool:
    """Whether what must stand near does, and what must not does not. In a few words that ask nothing one speaks of
    oneself without saying so."""
    brief = len(words.words) <= _BRIEF and not any(other.start == 0 for other in matches.get("question", ()))

    def beside(phrase: str) -> bool:
        return any(
            o.start < match.end + NEAR and match.start - NEAR < o.end for o in matches.get(f"beside {phrase}", ())
        )

    return not any(map(beside, rule.unless)) and (not rule.needs or brief or any(map(beside, rule.needs)))


def _state(rule: Rule, match: Match, matches: Mapping[str, Sequence[Match]], words: Words) -> State:
    """What the words around a match make of it."""
    sentence = words.stops[match.start]

    def beside(name: str) -> Iterator[Match]:
        """What of a shared list is in the same sentence."""
        return (other for other in _around(match, name, matches) if words.stops[other.start] == sentence)

    for name in ("harmless", *(f"beside {phrase}" for phrase in rule.apart_from)):
        if any(other.start < match.end and match.start < other.end for other in _around(match, name, matches)):
            return "harmless"
    if any(_denies(no, match, matches, words) for no in beside("not")):
        return "denied"
    past = min((_apart(other, match) for other in beside("past")), default=_PAST_WITHIN)
    if past < min((_apart(other, match) for other in beside("present")), default=_PAST_WITHIN):
        return "past"
    if rule.about:
        if any(match.start - match.end < match.start - other.end < _ASKED_WITHIN for other in beside("about_near")):
            return "about"
        if any(other.start < match.start and match.start - other.end < _DENIED_WITHIN for other in beside("supposed")):
            return "about"
        if not _of_someone(match, words) and any(other.end <= match.start + 1 for other in beside("about")):
            return "about"
        if _asks(match, matches, words):
            return "about"
    return "live"


def _around(match: Match, name: str, matches: Mapping[str, Sequence[Match]], reach: int = _AROUND) -> Sequence[Match]:
    """What of a list ends at most `reach` words before a match begins or after it ends."""
    found = matches.get(name, ())
    first = bisect_left(found, match.start - reach, key=_end)
    return found[first : bisect_right(found, match.end + reach, key=_end)]


def _opening(start: int, name: str, matches: Mapping[str, Sequence[Match]]) -> Sequence[Match]:
    return _around(Match(name, start, start), name, matches)


_end = attrgetter("end")


def _asks(match: Match, matches: Mapping[str, Sequence[Match]], words: Words) -> bool:
    """Whether the sentence is a question that names nobody."""
    start = bisect_left(words.stops, words.stops[match.start])
    begins = {n for n in ("question", "no_question") for other in _opening(start, n, matches) if other.start == start}
    return begins == {"question"} and _SOMEONE.isdisjoint(words.words[start : words.stops[start]])


def _apart(one: Match, other: Match) -> int:
    return max(one.start - other.end, other.start - one.end)


_SOMEONE = frozenset("i me my we our he she his her him they mum mom dad husband wife son daughter".split())
_BARRIERS = _SOMEONE | frozenset("but and because so".split())


def _of_someone(match: Match, words: Words) -> bool:
    """Whether a certain person is named in a match or shortly before it."""
    return not _SOMEONE.isdisjoint(words.words[max(0, match.start - _NAMED_WITHIN) : match.end])


def _denies(no: Match, match: Match, matches: Mapping[str, Sequence[Match]], words: Words) -> bool:
    between = words.words[no.end : match.start]
    if no.end > match.start or words.clauses[no.start] != words.clauses[match.start]:
        return False
    if len(between) >= (_DENIED_LIST_WITHIN if "or" in between else _DENIED_WITHIN) or not _BARRIERS.isdisjoint(
        between
    ):
        return False
    return not any(other.start <= no.start < other.end for other in _around(no, "not_really_not", matches))


def _level(found: Found) -> Level | None:
    return {"live": found.rule.level, "past": found.rule.past, "denied": found.rule.negated}.get(found.state)


def _said(found: Found, text: str, words: Words, level: Level | None) -> Triage:
    rule = found.rule
    card = rule.card if level == rule.level else f"card_{rule.category}_{level}"
    return Triage(level, rule.category, card, rule.id, _slice(found.start, found.end, text, words))


def _slice(start: int, end: int, text: str, words: Words) -> str:
    return text[words.places[start][0] : words.places[end - 1][1]]


def _asked_about(
    emergencies: Sequence[Found], matches: Mapping[str, Sequence[Match]], words: Words, text: str, rules: Rules
) -> Triage | None:
    """The first emergency that is asked about or named without being one."""
    places = [(fit.start, fit.end, fit.rule.category, fit.rule.id) for fit in emergencies if fit.state == "about"]
    for category in rules.topics:
        name = f"topic.{category}"
        neutral = Rule(name, category, None, "", about=True)
        for match in matches.get(name, ()):
            if _state(neutral, match, matches, words) in ("live", "about"):
                places.append((match.start, match.end, category, name))
    if not places:
        return None
    start, end, category, rule = min(places)
    return Triage(None, category, f"card_{category}_about", rule, _slice(start, end, text, words))


def _goes_on(words: Words, matches: Mapping[str, Sequence[Match]]) -> bool:
    """Whether a turn reads as going on about the one before."""
    return len(words.words) <= _LONGEST_FOLLOW_UP and "follow_up" in matches
