"""« Am I concerned? »: sealed by the web process, which keeps nothing else of it.

A question is one row that only the worker opens. Purpose, a number and the time stand inside what
is sealed, so that a row which somebody copies, keeps, or takes from elsewhere, is refused.
"""

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from django.db import connection
from django.utils import timezone

from insurers.lists import identifiers
from insurers.lists.sealing import DamagedError, open_sealed, seal
from notifications.references import ALPHABET

PURPOSE = "personal-check"
ANSWERED_WITHIN = timedelta(hours=1)
CLOCKS_DIFFER = timedelta(minutes=5)
INSERT = "INSERT INTO notifications_sealedquestion (id, sealed) VALUES (%s, %s)"
SIZE = 512
"""Every question has as many bytes: what it holds cannot be told from its length."""
CODE_SYMBOLS = 6
_CODE = re.compile(f"[{ALPHABET}]{{3}}-[{ALPHABET}]{{3}}")


class QuestionRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """Not a question, or not one that is to be answered now; the message says which, in a word."""


@dataclass(frozen=True)
class Question:
    """Whom somebody asks about (normalised values), and what the page showed them."""

    insurer_id: UUID
    member_number: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_rank: str = field(repr=False)
    language: str
    code: str
    number: UUID = field(default_factory=uuid.uuid4)
    asked_at: datetime | None = None


def new_code() -> str:
    """Return a code for the page and the answer: 30 random bits, easy to read to somebody."""
    number = secrets.randbits(5 * CODE_SYMBOLS)
    symbols = "".join([ALPHABET[number >> 5 * place & 31] for place in range(CODE_SYMBOLS)])
    return f"{symbols[:3]}-{symbols[3:]}"


def ask(question: Question, *, now: datetime) -> None:
    """Seal a question and leave it to the worker (the web process, always, whatever was typed)."""
    content = {
        "number": str(question.number),
        "insurer": str(question.insurer_id),
        "member_number": question.member_number,
        "birth_date": question.birth_date,
        "birth_rank": question.birth_rank,
        "language": question.language,
        "code": question.code,
    }
    sealed = seal_question(PURPOSE, content, now=now)
    # As it stands: whoever may only insert cannot have anything returned, as the ORM would.
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [uuid.uuid4(), sealed])


def open_question(sealed: bytes, *, now: datetime) -> Question:
    """Return what was asked (worker only), or raise QuestionRefused."""
    content, asked_at = open_sealed_question(PURPOSE, sealed, now=now)
    try:
        return Question(
            insurer_id=UUID(content["insurer"]),
            **person_in(content, now=now),
            language="en" if content["language"] == "en" else "fr",
            code=_CODE.fullmatch(str(content["code"]))[0],  # type: ignore[index]
            number=UUID(content["number"]),
            asked_at=asked_at,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise QuestionRefused("damaged") from None


class Asked(TypedDict):
    """Whom a question is about (normalised values)."""

    member_number: str
    birth_date: str
    birth_rank: str


def person_in(content: Mapping[str, Any], *, now: datetime) -> Asked:
    """Return whom what was sealed is about, cleaned as the page cleans what is typed.

    What no page would have sealed must not stop those that wait behind: raises QuestionRefused.
    """
    try:
        return Asked(
            member_number=identifiers.member_number(str(content["member_number"])),
            birth_date=identifiers.birth_date(str(content["birth_date"]), timezone.localdate(now)),
            birth_rank=identifiers.birth_rank(str(content["birth_rank"])),
        )
    except (ValueError, KeyError):
        raise QuestionRefused("damaged") from None


def seal_question(purpose: str, content: Mapping[str, str], *, now: datetime) -> bytes:
    """Seal what is asked to the worker, for one purpose, at one size."""
    whole = {"purpose": purpose, "asked_at": now.isoformat(), **content}
    return seal(json.dumps(whole).encode().ljust(SIZE))


def open_sealed_question(
    purpose: str, sealed: bytes, *, now: datetime
) -> tuple[dict[str, Any], datetime]:
    """Return what was sealed for this purpose in the last hour, and when, or raise QuestionRefused.

    Its values are as they came: the caller reads them.
    """
    try:
        content = json.loads(open_sealed(sealed))
        is_foreign = content["purpose"] != purpose
        asked_at = datetime.fromisoformat(content["asked_at"])
        age = now - asked_at
    except (DamagedError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise QuestionRefused("damaged") from None
    if is_foreign:
        raise QuestionRefused("foreign")
    if not -CLOCKS_DIFFER <= age <= ANSWERED_WITHIN:
        raise QuestionRefused("aged")
    return content, asked_at
