"""Find an insurer by a name as people type it: accents, case, missing words, abbreviations, typos.

The index is built from the directory once for each version of it, and kept in the process. With
PostgreSQL down, the last one goes on serving.
"""

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from uuid import UUID

from rapidfuzz import process
from rapidfuzz.distance import OSA

from insurers.models import AmcNumber, Insurer, InsurerAlias
from lookup.versions import Kept

QUERY_MAX = 100  # characters
WORDS_MAX = 10
ENOUGH = 0.6  # score from which a name is shown
BEGUN = 0.95  # score of a name that begins with what was typed
WHOLE = 1.1  # score of a whole name, or its initials
FEW = 60  # names looked at when only common words were typed
# Words that say little about which insurer is meant; they count for less, and may be missing.
LITTLE = frozenset(
    ("a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les", "of", "the")
)
COMMON = LITTLE | {
    *("assurance", "assurances", "assureur", "complementaire", "france", "groupe", "mutuel"),
    *("mutuelle", "mutuelles", "prevoyance", "sante"),
}
COMMON_WEIGHT = 0.2


@dataclass(frozen=True)
class Entry:
    """An insurer as the search shows it."""

    slug: str
    name: str
    is_demo: bool


@dataclass(frozen=True)
class Hit:
    """An insurer found; `matched` is the name that matched when it is not the insurer's own."""

    entry: Entry
    matched: str
    score: float
    is_close: bool  # some word was only similar to what was typed


@dataclass(frozen=True)
class Name:
    """One name of one insurer, split into words."""

    entry: Entry
    text: str
    words: tuple[str, ...]
    weight: float
    is_own: bool
    is_telling: bool  # worth showing beside the insurer's own name


def normalise(text: str) -> str:
    """Return lower-case letters and digits without accents, words separated by one space."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("&", " et ").replace("œ", "oe")
    bare = unicodedata.normalize("NFKD", text.replace("æ", "ae"))
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(re.findall(r"[a-z0-9]+", letters))


class NameIndex:
    """Names by word, so that a query looks at few of them."""

    def __init__(self, names: Iterable[tuple[Entry, str]], numbers: Iterable[tuple[Entry, str]]):
        split = [(entry, text, tuple(normalise(text).split())) for entry, text in names]
        frequency = Counter(word for _, _, words in split for word in set(words))
        self._total = max(len(split), 1)
        self._frequency = frequency
        self._names = [
            Name(
                entry,
                text,
                words,
                sum(map(self._weight, words)),
                is_own=text == entry.name,
                is_telling=" ".join(words) not in normalise(entry.name),
            )
            for entry, text, words in split
            if words
        ]
        self._plain = sorted((" ".join(name.words), n) for n, name in enumerate(self._names))
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_whole: dict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self._names):
            for word in set(name.words):
                self._by_word[word].append(position)
            for whole in {"".join(name.words), *_initials(name.words)}:
                self._by_whole[whole].append(position)
        for word in COMMON & self._by_word.keys():
            self._by_word[word].sort(key=lambda position: self._names[position].weight)
        self._vocabulary = sorted(self._by_word)
        self._wholes = sorted(self._by_whole)
        self._numbers = [(number.lstrip("0"), entry) for entry, number in numbers]

    def search(self, query: str, *, limit: int = 8) -> list[Hit]:
        """Return the insurers whose names fit best, best first, each once."""
        words = normalise(query[:QUERY_MAX]).split()[:WORDS_MAX]
        if not words:
            return []
        best: dict[str, Hit] = {}
        numbers, begun = self._by_number("".join(words)), self._by_beginning(words)
        found = [*numbers, *begun, *self._by_name(words)]
        for hit in found:
            known = best.get(hit.entry.slug)
            if known is None or _rank(hit) < _rank(known):
                best[hit.entry.slug] = hit
        return sorted(best.values(), key=_rank)[:limit]

    def _by_number(self, typed: str) -> list[Hit]:
        if not typed.isdigit() or len(typed) < 3:
            return []
        wanted = typed.lstrip("0")
        return [
            Hit(entry, typed, 2.0 if number == wanted else 1.2, is_close=False)
            for number, entry in self._numbers
            if wanted and number.startswith(wanted)
        ]

    def _by_beginning(self, words: list[str]) -> list[Hit]:
        """Return the names that begin with what was typed so far, letter by letter."""
        typed = " ".join(words)
        if len(typed) < 2:
            return []
        start = bisect_left(self._plain, (typed,))
        begun = takewhile(
            lambda plain: plain[0].startswith(typed), islice(self._plain, start, None)
        )
        names = [self._names[position] for _, position in begun]
        return [
            Hit(name.entry, name.text if name.is_telling else "", BEGUN, is_close=False)
            for name in names
        ]

    def _by_name(self, words: list[str]) -> list[Hit]:
        alike = {
            word: self._alike(word, is_last=position == len(words) - 1)
            for position, word in enumerate(words)
        }
        typed_weight = sum(
            max((self._weight(other) for other in others), default=self._weight(word))
            for word, others in alike.items()
        )
        whole = self._whole("".join(words))
        hits = []
        for position in self._candidates(alike) | whole.keys():
            name = self._names[position]
            matches = _matches(name, alike)
            by_words = self._score(name, matches, typed_weight)
            score = max(by_words, whole.get(position, 0.0))
            if score >= ENOUGH:
                matched = name.text if name.is_telling else ""
                hits.append(Hit(name.entry, matched, score, _is_close(score, words, matches)))
        return hits

    def _candidates(self, alike: dict[str, dict[str, float]]) -> set[int]:
        """Return the names that hold a telling word; the shortest ones if only common words."""
        others = {other for likely in alike.values() for other in likely}
        telling = {name for other in others - COMMON for name in self._by_word[other]}
        return telling or {name for other in others for name in self._by_word[other][:FEW]}

    def _score(
        self, name: Name, matches: dict[str, tuple[float, str]], typed_weight: float
    ) -> float:
        """Weigh how much of what was typed is in the name, and how much of the name was typed."""
        typed = sum(how * self._weight(other) for how, other in matches.values())
        covered = {other for _, other in matches.values()}
        told = sum(self._weight(word) for word in name.words if word in covered)
        return 0.8 * typed / typed_weight + 0.2 * told / name.weight + (0.01 if name.is_own else 0)

    def _alike(self, word: str, *, is_last: bool) -> dict[str, float]:
        """Return the words of the directory that `word` may stand for, with how alike they are."""
        exact = {word: 1.0} if word in self._by_word else {}
        if exact and not is_last:
            return exact
        begun = {
            other: 0.82 + 0.16 * len(word) / len(other)
            for other in self._beginning_with(word)
            if len(word) > 1
        }
        if exact or len(word) < 4:
            return begun | exact
        similar = process.extract(
            word,
            self._vocabulary,
            scorer=OSA.normalized_similarity,
            score_cutoff=0.74,
            limit=12,
        )
        return {other: 0.95 * how for other, how, _ in similar} | begun

    def _beginning_with(self, word: str) -> Iterator[str]:
        for other in islice(self._vocabulary, bisect_right(self._vocabulary, word), None):
            if not other.startswith(word):
                return
            yield other

    def _whole(self, typed: str) -> dict[int, float]:
        """Score names written as one word, and initials: « ag2rlamondiale », « mgp »."""
        scores = dict.fromkeys(self._by_whole.get(typed, ()), WHOLE)
        if len(typed) > 5:
            for whole, how, _ in process.extract(
                typed,
                self._wholes,
                scorer=OSA.normalized_similarity,
                score_cutoff=0.78,
                limit=8,
            ):
                for position in self._by_whole[whole]:
                    scores[position] = max(scores.get(position, 0.0), how)
        return scores

    def _weight(self, word: str) -> float:
        if word in COMMON:
            return COMMON_WEIGHT
        return math.log(1 + self._total / self._frequency.get(word, 1)) / math.log(1 + self._total)


def _matches(name: Name, alike: dict[str, dict[str, float]]) -> dict[str, tuple[float, str]]:
    """Return, for each word typed, the most alike word of the name."""
    found = {}
    for word, others in alike.items():
        if held := [(others[other], other) for other in name.words if other in others]:
            found[word] = max(held)
    return found


def _is_close(score: float, words: list[str], matches: dict[str, tuple[float, str]]) -> bool:
    """Whether a word typed is missing from the name, or only similar to one of it."""
    if score >= WHOLE:
        return False
    misspelt = any(how < 1 and not other.startswith(word) for word, (how, other) in matches.items())
    return misspelt or bool(set(words) - LITTLE - matches.keys())


def _initials(words: tuple[str, ...]) -> set[str]:
    """Return the abbreviations that people form: MGP, LMG."""
    telling = [word for word in words if word not in LITTLE]
    candidates = {"".join(word[0] for word in some) for some in (words, telling)}
    return {letters for letters in candidates if len(letters) > 2}


def _rank(hit: Hit) -> tuple[float, str]:
    return (-round(hit.score, 3), hit.entry.name)


def _read_index() -> NameIndex:
    entries: dict[UUID, Entry] = {
        pk: Entry(slug, name, is_demo)
        for pk, slug, name, is_demo in Insurer.objects.values_list("pk", "slug", "name", "is_demo")
    }
    names = [(entry, entry.name) for entry in entries.values()]
    aliases = InsurerAlias.objects.values_list("insurer_id", "name")
    numbers = AmcNumber.objects.values_list("insurer_id", "number")
    return NameIndex(
        names + [(entries[pk], alias) for pk, alias in aliases if pk in entries],
        [(entries[pk], number) for pk, number in numbers if pk in entries],
    )


_index = Kept(_read_index)


def search_insurers(query: str, *, limit: int = 8) -> list[Hit]:
    """Search the directory as it is (`versions.Kept`), or raise as that does."""
    return _index().search(query, limit=limit)
