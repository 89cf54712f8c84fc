"""What a person sees of a text, so that no sign that nobody sees hides it from a check."""

import re
import unicodedata

from insurers.lists.identifiers import DASHES

# Controls, marks of no width or that turn what follows, private use, separators of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Of other categories, and as empty to the eye: fillers of Hangul, vowels of Khmer that nobody
# writes, a braille blank, a joiner.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\u034f")
# Signs that look like others, or that programs take for them; NFKC knows the rest.
_ALIKE = str.maketrans(
    dict.fromkeys(DASHES, "-") | {"\u3002": ".", "\u2044": "/", "\u2215": "/", "\u2019": "'"}
)
# Below these a paragraph explains nothing.
ENOUGH, ENOUGH_WORDS = 40, 6
_DIGIT = re.compile(r"[^\D0-9]")


def unseen_in(text: str) -> set[str]:
    """Return the signs of a text that show nothing; space, tab and line break do show."""
    return {
        sign
        for sign in set(text) - {"\n", "\t"}
        if unicodedata.category(sign) in _UNSEEN or sign in _BLANK
    }


def without_unseen(text: str) -> str:
    """Return a text without them."""
    return _without(unseen_in(text), text)


def seen(text: str) -> str:
    """Return a text as it is read: in compatible form (NFKC), ASCII digits, nothing unseen."""
    shown = without_unseen(text)
    compatible = unicodedata.normalize("NFKC", shown)
    if len(compatible) > 3 * len(shown):
        compatible = shown  # Ligatures of whole sentences: nobody's notice, long to judge.
    return _DIGIT.sub(
        lambda digit: str(unicodedata.decimal(digit[0])), compatible.translate(_ALIKE)
    )


def folded(text: str) -> str:
    """Return a seen text in lower case without accents."""
    apart = unicodedata.normalize("NFD", text.casefold())
    return _without({sign for sign in set(apart) if unicodedata.combining(sign)}, apart)


def _without(signs: set[str], text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, signs))) if signs else text


def says_something(text: str) -> bool:
    """Whether a name, a telephone number or an address holds letters or digits."""
    return re.search(r"[^\W_]", seen(text)) is not None


def explains(text: str) -> bool:
    """Whether a paragraph is long enough to explain something: in what is seen, and in words."""
    shown = " ".join(seen(text).split())
    return len(shown) >= ENOUGH and len(re.findall(r"[^\W\d_]+", shown)) >= ENOUGH_WORDS
