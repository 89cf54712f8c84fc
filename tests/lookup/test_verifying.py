"""Checking a reference and reporting a message: what each answers, and what nobody learns."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from insurers.models import Advice, Insurer
from lookup import versions
from lookup.verifying import ADVICE, CHECKS, REPORTS
from notifications.models import Channel, Notification, SuspiciousMessage
from notifications.models.suspicious import AT_MOST
from notifications.references import derive
from notifications.verifying.sent import find_message
from tests import cast
from tests.conftest import Writing, as_role
from tests.insurers.test_throttle import UNREACHABLE
from tests.notifications.conftest import recorded_mail
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db
OURS = {"Sec-Fetch-Site": "same-origin"}
UNKNOWN = derive(10**9)
NETWORK = "198.51.100.7"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with recorded_mail() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def reference(beginning: Writing) -> str:
    """What Camille Hublot holds."""
    with beginning(), recorded_mail():
        send(built([member(1, email="camille@example.fr", name="Hublot;Camille")]))
        return derive(Notification.objects.get().pk)


FORM = "application/x-www-form-urlencoded"


def sent(client: Client, address: str, fields: dict[str, str], **options: Any) -> Any:
    """Send a form as a browser does from our own page."""
    return client.post(address, urlencode(fields), content_type=FORM, headers=OURS, **options)


def check(client: Client, typed: str, *, language: str = "", address: str = NETWORK) -> Any:
    page = f"{language}/verifier/"
    return sent(client, page, {"reference": typed}, REMOTE_ADDR=address)


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def report(client: Client, text: str = "Payez 1 €", **fields: str) -> Any:
    return sent(client, "/verifier/signaler/", {"text": text, **fields}, REMOTE_ADDR=NETWORK)


def test_a_known_reference_asks_to_compare(client: Client, reference: str) -> None:
    response = check(client, reference.lower().replace("-", " "))
    page = text_of(response)
    assert response.status_code == 200
    assert "Nous avons envoyé un seul message avec ce code" in page
    assert "à lui seul, il ne prouve rien" in page
    assert "Mutuelle du Phare" in page
    assert "Violation Alphapay et Betapay" in page
    assert timezone.localdate().strftime("%Y") in page
    assert "Ni mot de passe, ni code, ni coordonnées bancaires, ni paiement" in page
    assert "CE QUI S’EST PASSÉ" in page
    assert "authentique" not in page


def test_a_known_reference_takes_one_question_to_the_database(
    client: Client, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(client, reference)  # Makes the page.
    monkeypatch.setattr(versions, "CHECK_EVERY", 60)
    with CaptureQueriesContext(connection) as queries:
        assert reference in check(client, reference).content.decode()
    asked = [one["sql"] for one in queries if "ROLE" not in one["sql"]]
    assert len(asked) == 1
    assert "notifications_find_reference" in asked[0]


def test_the_insurer_of_a_message_is_named_as_it_is_now(client: Client, reference: str) -> None:
    check(client, reference)
    Insurer.objects.filter(pk=cast.phare().pk).update(name="Mutuelle du Grand Phare")
    assert "Mutuelle du Grand Phare" in text_of(check(client, reference))


def test_nobody_is_named(client: Client, reference: str) -> None:
    page = text_of(check(client, reference))
    for secret in ("Hublot", "Camille", "camille@", "une personne assurée, vous-même"):
        assert secret not in page


def test_an_sms_is_shown_first(client: Client, mail: Recorder) -> None:
    send(built([member(2, mobile="0639980002")]))
    sms = Notification.objects.get(channel=Channel.SMS)
    page = text_of(check(client, derive(sms.pk)))
    assert page.index("une violation de données vous concerne") < page.index("CE QUI S’EST PASSÉ")


@pytest.mark.parametrize("sentence", ["code {}", "Mon code : {}.", "{} merci"])
def test_a_reference_may_be_pasted_with_its_sentence(
    client: Client, reference: str, sentence: str
) -> None:
    for written in (reference, reference.replace("-", "")):
        assert "Nous avons envoyé" in text_of(check(client, sentence.format(written)))


def test_an_unknown_reference_warns(client: Client) -> None:
    Advice.objects.bulk_create(
        [
            Advice(code=code, population=cast.insured_people(), text_fr=f"Conseil {code}.")
            for code in ADVICE
        ]
    )
    page = text_of(check(client, UNKNOWN))
    assert "Nous n’avons envoyé aucun message avec ce code" in page
    assert all(f"Conseil {code}." in page for code in ADVICE)
    assert 'role="search"' in page


def test_a_slip_is_told_apart_and_can_be_corrected(client: Client) -> None:
    slip = UNKNOWN[:-1] + ("0" if UNKNOWN[-1] != "0" else "1")
    page = text_of(check(client, slip))
    assert "un caractère est faux, ou deux sont inversés" in page
    assert f'value="{slip}"' in page
    assert "aucun message avec ce code" not in page


@pytest.mark.parametrize("typed", ["", "bonjour", "BP7K-3F9M", "x" * 101, "x" * 1001])
def test_what_is_no_reference_says_what_one_is(client: Client, typed: str) -> None:
    response = check(client, typed)
    assert response.status_code == 200
    assert 'id="erreurs"' in text_of(response)


def test_it_is_answered_in_english(client: Client, reference: str) -> None:
    page = text_of(check(client, reference, language="/en"))
    assert '<html lang="en">' in page
    assert "We sent one single message with this code" in page
    assert "<dt>Sent</dt>" in page
    assert '<pre class="email-body" lang="fr">' in page  # the notice has no English


@pytest.mark.parametrize("typed", [UNKNOWN, "bonjour"])
def test_the_answer_is_kept_nowhere_and_sets_no_cookie(client: Client, typed: str) -> None:
    cast.sign_in(client, cast.paule())
    response = check(client, typed)
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_a_reference_in_the_address_is_not_read(client: Client, reference: str) -> None:
    page = text_of(client.get("/verifier/", {"reference": reference}))
    assert "Nous avons envoyé" not in page


def test_a_thousand_guesses_learn_nothing(client: Client, reference: str) -> None:
    """The database finds none, and all are answered by the same page, byte for byte."""
    guesses = [derive(10**9 + number) for number in range(1000)]
    with as_role("web"):
        assert find_message(reference=reference) is not None
        assert {find_message(reference=guess) for guess in guesses} == {None}
    answers = set()
    for guess in guesses[: CHECKS.at_most]:
        response = check(client, guess)
        same = response.content.replace(guess.encode(), b"")
        answers.add((response.status_code, len(response.content), same))
    assert len(answers) == 1


def test_a_network_that_asks_too_often_waits_and_others_do_not(client: Client) -> None:
    statuses = [check(client, "bonjour").status_code for _ in range(CHECKS.at_most + 1)]
    assert statuses == [200] * CHECKS.at_most + [429]
    refused = check(client, UNKNOWN)
    assert refused["Retry-After"] == "60"
    assert refused["Cache-Control"] == "no-store"
    assert "Recommencez dans une minute" in text_of(refused)
    assert check(client, UNKNOWN, address="192.0.2.1").status_code == 200


def test_checking_goes_on_while_redis_is_down(client: Client, reference: str) -> None:
    with override_settings(CACHES=UNREACHABLE):
        assert "Nous avons envoyé" in text_of(check(client, reference))


def test_no_reference_reaches_redis_or_a_log(
    client: Client, reference: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(0):
        check(client, reference)
        report(client, f"Votre code : {reference}")
    redis = cache._cache.get_client()  # type: ignore[attr-defined]
    kept = " ".join(f"{key!r} {redis.dump(key)!r}" for key in redis.scan_iter())
    for text in (kept, caplog.text):
        assert reference not in text
        assert reference.replace("-", "") not in text


@pytest.mark.parametrize("address", ["/verifier/", "/en/verifier/", "/verifier/signaler/"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://scam.test"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_our_own_page_sends_a_form(
    client: Client, address: str, headers: dict[str, str], status: int
) -> None:
    response = client.post(address, "text=&reference=", content_type=FORM, headers=headers)
    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


def test_files_are_not_read(client: Client) -> None:
    multipart = client.post("/verifier/signaler/", {"text": "Payez"}, headers=OURS)
    assert multipart.status_code == 403


def test_a_report_is_kept_without_what_is_personal(client: Client) -> None:
    response = report(
        client,
        f"Lise, code {UNKNOWN}, 1 85 05 78 006 084 36 : https://scam.test/a?m=lise@example.fr",
        channel="sms",
        insurer=cast.phare().slug,
    )
    assert (response.status_code, response["Location"]) == (302, "/verifier/signale/")
    kept = SuspiciousMessage.objects.get()
    assert kept.text == "Lise, code [référence], [numéro] : https://scam.test/a?…"
    assert (kept.channel, kept.insurer) == ("sms", cast.phare())
    assert kept.reported_date == timezone.localdate()


def test_a_report_needs_a_text_only(client: Client) -> None:
    assert report(client).status_code == 302
    kept = SuspiciousMessage.objects.get()
    assert (kept.channel, kept.insurer) == ("", None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\r\n" * (AT_MOST // 2), 1),
        ("a" * AT_MOST, 1),
        ("a" * 5001, 0),
        (" ", 0),
        ("\u202e\u200b\u3164", 0),
    ],
)
def test_a_report_is_bounded(client: Client, text: str, kept: int) -> None:
    assert report(client, text).status_code == (302 if kept else 200)
    assert SuspiciousMessage.objects.count() == kept


def test_what_cannot_be_reported_can_be_corrected(client: Client) -> None:
    page = text_of(report(client, "Payez <b>", insurer="aucun-de-ce-nom"))
    assert 'id="erreurs"' in page
    assert "Payez &lt;b&gt;" in page
    assert not SuspiciousMessage.objects.exists()


def test_reports_have_a_count_of_their_own(client: Client) -> None:
    for _ in range(CHECKS.at_most):
        check(client, "bonjour")
    statuses = [report(client).status_code for _ in range(REPORTS.at_most + 1)]
    assert statuses == [302] * REPORTS.at_most + [429]


def test_only_what_is_reported_counts(client: Client) -> None:
    for _ in range(REPORTS.at_most + 1):
        assert report(client, "").status_code == 200
    assert report(client).status_code == 302


def test_whoever_reports_too_often_gets_the_text_back(client: Client) -> None:
    for _ in range(REPORTS.at_most):
        report(client)
    refused = report(client, "Payez <b>", channel="sms", insurer=cast.phare().slug)
    page = text_of(refused)
    assert (refused.status_code, refused["Retry-After"]) == (429, "3600")
    assert "Payez &lt;b&gt;</textarea>" in page
    assert f'<option value="{cast.phare().slug}" selected>' in page
    assert SuspiciousMessage.objects.count() == REPORTS.at_most


@pytest.mark.parametrize("address", ["", "unix:", "127.0.0.1"])
def test_nobody_can_switch_checking_off(client: Client, address: str) -> None:
    statuses = {check(client, "x", address=address).status_code for _ in range(70)}
    assert statuses == {200}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/verifier/signaler/", "par ses auditeurs et par l’exploitant du portail"),
        ("/confidentialite/", "ses auditeurs et l’exploitant du portail le lisent"),
        ("/en/verifier/signaler/", "its auditors and whoever runs th"),
        ("/en/confidentialite/", "its auditors and whoever runs th"),
    ],
)
def test_who_reads_a_report_is_said(client: Client, address: str, words: str) -> None:
    assert words in text_of(client.get(address))


def test_an_answer_offers_to_report_with_what_is_known(client: Client, reference: str) -> None:
    page = text_of(check(client, reference))
    assert 'action="/verifier/signaler/"' in page
    assert f'<option value="{cast.phare().slug}" selected>' in page
