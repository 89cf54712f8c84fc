"""What a question is sealed for, and which ones the worker refuses."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.test import override_settings
from django.utils import timezone
from nacl.public import PrivateKey

from insurers.lists.sealing import seal
from notifications.models import Reply, SealedQuestion
from notifications.outbox.purged import erase_addresses
from notifications.replies.questions import (
    SIZE,
    QuestionRefused,
    new_code,
    open_question,
)
from tests.conftest import as_role
from tests.notifications.replies.asking import answer, asked, question, rows
from tests.notifications.story import accepted_list, member

pytestmark = pytest.mark.django_db


def sealed() -> bytes:
    return bytes(rows()[0][1])


def test_what_was_typed_comes_out_again_for_the_worker() -> None:
    wanted = asked(7)
    opened = open_question(sealed(), now=timezone.now())
    assert replace(opened, asked_at=None) == wanted


def test_nothing_of_it_can_be_read_in_the_table() -> None:
    wanted = asked(7)
    content = b"".join(str(row).encode() + bytes(row[1]) for row in rows())
    for secret in (wanted.member_number, wanted.birth_date, wanted.code, str(wanted.insurer_id)):
        assert secret.encode() not in content
    assert wanted.member_number not in repr(wanted)
    assert wanted.birth_date not in repr(wanted)


def test_every_question_is_as_long_as_any_other() -> None:
    asked(7, birth_rank="2", language="en")
    asked(7, member_number="A" * 40)
    assert {len(row[1]) for row in rows()} == {SIZE + 48}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM notifications_sealedquestion",
        "UPDATE notifications_sealedquestion SET due_at = now()",
        "DELETE FROM notifications_sealedquestion",
        "SELECT count(*) FROM notifications_takenquestion",
        "SELECT count(*) FROM notifications_reply",
        "SELECT count(*) FROM members.affected_member",
        "SELECT count(*) FROM notifications_notification",
        "SELECT count(*) FROM notifications_covered",
        "SELECT count(*) FROM notifications_told",
    ],
)
def test_the_web_role_adds_questions_and_nothing_more(statement: str) -> None:
    asked(7)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        as_role("web"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("age", "is_refused"),
    [
        (timedelta(minutes=59), False),
        (timedelta(minutes=61), True),
        (timedelta(minutes=-4), False),
        (timedelta(minutes=-6), True),
    ],
)
def test_an_aged_question_is_refused(age: timedelta, is_refused: bool) -> None:
    now = timezone.now()
    asked(7, now=now - age)
    if is_refused:
        with pytest.raises(QuestionRefused, match="aged"):
            open_question(sealed(), now=now)
    else:
        assert open_question(sealed(), now=now)


def test_what_was_sealed_for_another_purpose_is_refused() -> None:
    now = timezone.now()
    content = {"purpose": "upload", "number": "1", "asked_at": now.isoformat()}
    with pytest.raises(QuestionRefused, match="foreign"):
        open_question(seal(json.dumps(content).encode()), now=now)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"purpose": "personal-check"}', b"[" * 9999]
)
def test_what_is_no_question_is_refused(content: bytes) -> None:
    with pytest.raises(QuestionRefused, match="damaged"):
        open_question(seal(content), now=timezone.now())
    with pytest.raises(QuestionRefused, match="damaged"):
        open_question(content, now=timezone.now())


def test_refused_ones_are_deleted_and_hold_up_nobody() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    SealedQuestion.objects.create(sealed=b"nothing")
    asked(7)
    assert answer() == 2
    assert Reply.objects.count() == 1
    assert rows() == []


def test_a_copied_question_is_refused() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    copy = sealed()
    SealedQuestion.objects.create(sealed=copy)
    answer()
    Reply.objects.update(made_at=timezone.now() - timedelta(days=2))  # No limit stands in its way.
    SealedQuestion.objects.create(sealed=copy)
    answer()
    assert Reply.objects.count() == 1
    assert rows() == []


def test_what_was_sealed_before_the_pair_was_replaced_is_answered() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    pair = PrivateKey.generate()
    with override_settings(
        SEALING_PUBLIC_KEY=b64encode(bytes(pair.public_key)).decode(),
        SEALING_PRIVATE_KEY=b64encode(bytes(pair)).decode(),
        SEALING_PRIVATE_KEY_PREVIOUS=settings.SEALING_PRIVATE_KEY,
    ):
        answer()
    assert Reply.objects.count() == 1


def test_codes_are_short_and_differ() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) > 190
    assert all(len(code) == 7 and code[3] == "-" for code in codes)


def test_a_question_says_nothing_of_whom_it_is_about() -> None:
    assert str(question(7).member_number) not in str(question(7))


@pytest.mark.parametrize(
    "odd",
    [{"member_number": "9" * 300}, {"birth_date": "hier"}, {"birth_rank": "x"}, {"code": "\0"}],
)
def test_what_no_page_would_seal_stops_nobody(odd: dict[str, Any]) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7, **odd)
    asked(7)
    assert answer() == 2
    assert Reply.objects.count() == 1
    assert rows() == []


def test_a_purge_takes_what_stands_for_the_address() -> None:
    found = accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    answer()
    erase_addresses(affected_list=found)
    assert Reply.objects.get().address_fingerprint is None
