"""The English catalogue, kept in step with the French of the source.

python -m tests.translations update   writes what is new into the catalogue, drops what is gone
python -m tests.translations check    fails when a message has no English, or nobody uses it

The French of the portal is in its source. The French catalogue says some words of django-allauth
otherwise, kept by hand, and gives the source's texts the spaces that may not break, written by
`update`: nobody has to type, or can forget, a space that cannot be seen.
"""

import io
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import allauth
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_python
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

PROJECT = Path(__file__).resolve().parent.parent
CATALOGUE = PROJECT / "locale" / "en" / "LC_MESSAGES" / "django.po"
FRENCH = PROJECT / "locale" / "fr" / "LC_MESSAGES" / "django.po"
ALLAUTH = Path(allauth.__file__).parent / "locale" / "fr" / "LC_MESSAGES" / "django.po"
FOLDERS = ("audit", "breachportal", "insurers", "notifications", "lookup", "templates")
LAZY = {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def extract_template(
    file: BinaryIO, keywords: dict[str, Any], tags: Collection[str], options: Any
) -> Iterator[Any]:
    """A Babel extraction method for Django's templates."""
    source = templatize(file.read().decode("utf-8"))
    # What surrounds the messages is noise; its indentation must not trouble Python's tokenizer.
    flat = "\n".join(line.lstrip() for line in source.split("\n"))
    return extract_python(io.BytesIO(flat.encode()), keywords, tags, options)


METHODS = [
    ("**.py", "python"),
    ("**.html", "tests.translations:extract_template"),
    ("**.txt", "tests.translations:extract_template"),
]


def extract_messages() -> Catalog:
    """Every message of the source."""
    found = Catalog(fuzzy=False)
    for folder in FOLDERS:
        keywords = DEFAULT_KEYWORDS | LAZY
        for name, _, message, comments, context in extract_from_dir(
            PROJECT / folder, METHODS, keywords=keywords, comment_tags=("Translators",)
        ):
            found.add(message, None, [(f"{folder}/{name}", 0)], (), comments, context=context)
    return found


# Imprimerie nationale, « Lexique des règles typographiques »: a wide space inside « » and before
# a colon, a narrow one before the other high marks.
_WIDE = re.compile(r"(?<=«) | (?=»|:(?:\s|$))")
_NARROW = re.compile(r" (?=[;?!](?:\s|$|»|\)))")


def with_french_spaces(text: str) -> str:
    """A French text with spaces that do not break around its punctuation."""
    return _NARROW.sub("\u202f", _WIDE.sub("\u00a0", text))


def french_texts() -> dict[tuple[str, str], Message]:
    """The messages of the source whose French shows other spaces."""
    found = {}
    for message in extract_messages():
        texts = message.id if isinstance(message.id, tuple) else (message.id,)
        spaced = tuple(with_french_spaces(str(text)) for text in texts)
        if spaced != texts:
            message.string = spaced if len(spaced) > 1 else spaced[0]
            found[str(texts[0]), message.context or ""] = message
    return found


def read_catalogue() -> Catalog:
    """The English catalogue as it is."""
    if not CATALOGUE.exists():
        return Catalog(locale="en", header_comment="# English of the portal.", fuzzy=False)
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


def find_faults() -> list[str]:
    """What is wrong with the catalogue, one sentence each."""
    source, english = extract_messages(), read_catalogue()
    wanted, known = _by_key(source), _by_key(english)
    missing = [f"not in the catalogue: {key[0]!r}" for key in wanted if key not in known]
    unused = [f"used nowhere: {key[0]!r}" for key in known if key not in wanted]
    empty = [f"no English: {key[0]!r}" for key, message in known.items() if not _is_done(message)]
    broken = [f"{error}: {message.id!r}" for message, errors in english.check() for error in errors]
    return missing + unused + empty + broken + find_faults_of_french()


def find_faults_of_french() -> list[str]:
    """What is out of step in the French catalogue: words of django-allauth, spaces of ours."""
    said, ours = _words_of_allauth(), _by_key(_read_french())
    wanted = french_texts()
    strangers = [f"used nowhere: {key[0]!r}" for key in ours if key not in said | wanted.keys()]
    stale = [
        f"not with its spaces in the French catalogue: {key[0]!r}"
        for key, message in wanted.items()
        if key not in ours or _texts(ours[key]) != _texts(message)
    ]
    return strangers + stale


def _words_of_allauth() -> set[tuple[str, str]]:
    with ALLAUTH.open("rb") as file:
        return set(_by_key(read_po(file, locale="fr")))


def _read_french() -> Catalog:
    with FRENCH.open("rb") as file:
        return read_po(file, locale="fr")


def update_french() -> None:
    """Write the French texts with their spaces after the words that are kept by hand."""
    french, said = _read_french(), _words_of_allauth()
    for key, message in _by_key(french).items():
        if key not in said:
            french.delete(message.id, message.context)
    for message in french_texts().values():
        french.add(message.id, message.string, flags=message.flags, context=message.context)
    with FRENCH.open("wb") as file:
        write_po(file, french, width=100)


def update_catalogue() -> None:
    """Write the messages of the source into the catalogue, keeping its English."""
    english = read_catalogue()
    english.update(extract_messages(), no_fuzzy_matching=True, update_creation_date=False)
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        write_po(
            file, english, width=100, sort_by_file=True, ignore_obsolete=True, include_lineno=False
        )


def _by_key(catalogue: Catalog) -> dict[tuple[str, str], Message]:
    """Messages by what makes them one: the text (the singular of a plural) and its context."""
    return {
        (
            message.id if isinstance(message.id, str) else message.id[0],
            message.context or "",
        ): message
        for message in catalogue
        if message.id
    }


def _texts(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _is_done(message: Message) -> bool:
    texts = [message.string] if isinstance(message.string, str) else message.string
    return all(texts or [""]) and not message.fuzzy


def main() -> None:
    if sys.argv[1:] == ["update"]:
        update_catalogue()
        update_french()
    elif faults := find_faults():
        sys.stderr.write("\n".join(faults) + "\n")
        sys.exit(f"{len(faults)} faults in locale/: run `make messages`.")


if __name__ == "__main__":
    main()
