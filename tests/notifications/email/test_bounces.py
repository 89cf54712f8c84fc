"""What is read from what comes back, in the forms of real servers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.receipts.bounces import Said, read_report
from tests.notifications.email import letters
from tests.notifications.email.letters import ADDRESS, MESSAGE_ID, TOKEN, block, letter, status


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        ("failed", "5.1.1", Said.HARD),
        ("failed", "5.1.10", Said.HARD),
        ("failed", "5.2.1", Said.HARD),
        ("failed", "5.0.0", Said.HARD),
        ("failed", "5.2.2", Said.SOFT),
        ("failed", "5.4.4", Said.SOFT),
        ("failed", "4.4.7", Said.SOFT),
        ("failed", "5.7.1", Said.FAILED),
        ("failed", "5.6.0", Said.FAILED),
        ("delayed", "4.4.1", Said.DELAYED),
        ("delivered", "2.0.0", Said.DELIVERED),
    ],
)
def test_a_delivery_report_says_for_good_for_now_or_arrived(
    action: str, code: str, said: Said
) -> None:
    report = read_report(letters.postfix(action, code))
    assert report is not None
    assert (report.said, report.code) == (said, f"dsn-{code}")


@pytest.mark.parametrize("action", ["relayed", "expanded"])
def test_a_message_that_another_server_has_now_is_no_news(action: str) -> None:
    assert read_report(letters.postfix(action, "2.0.0")) is None


def test_the_token_is_read_from_the_return_path() -> None:
    report = read_report(letter(letters.WORDS, status(block("failed", "5.1.1"))))
    assert report is not None
    assert report.tokens == (TOKEN,)


def test_the_token_is_read_from_the_envelope_id() -> None:
    first = f"Reporting-MTA: dns; mx.example.fr\nOriginal-Envelope-Id: {TOKEN}"
    said = status(block("failed", "5.1.1"), first=first)
    report = read_report(letter(letters.WORDS, said, to="avis@phare.example.fr"))
    assert report is not None
    assert report.tokens == (TOKEN,)


@pytest.mark.parametrize("returned", [letters.ORIGINAL, letters.HEADERS_ONLY])
def test_the_token_is_read_from_what_is_returned(returned: str) -> None:
    said = status(block("failed", "5.1.1"))
    report = read_report(letter(letters.WORDS, said, returned, to="avis@phare.example.fr"))
    assert report is not None
    assert report.tokens == (TOKEN,)
    assert MESSAGE_ID in report.message_ids


def test_exchange_gives_the_message_id_back() -> None:
    report = read_report(letters.exchange())
    assert report is not None
    assert (report.said, report.code) == (Said.HARD, "dsn-5.1.10")
    assert report.message_ids == (MESSAGE_ID,)
    assert report.recipients == (ADDRESS,)


@pytest.mark.parametrize("form", [letters.exim, letters.qmail])
def test_a_bounce_of_no_standard_form_is_recognised(form: object) -> None:
    report = read_report(form())  # type: ignore[operator]
    assert report is not None
    assert (report.said, report.code, report.tokens) == (Said.HARD, "bounce-5.1.1", (TOKEN,))


def test_of_several_recipients_the_mildest_word_counts() -> None:
    said = status(
        block("failed", "5.1.1", address="alias-1@example.net"),
        block("delivered", "2.0.0", address="alias-2@example.net"),
    )
    report = read_report(letter(letters.WORDS, said))
    assert report is not None
    assert report.said == Said.DELIVERED


def test_the_code_is_looked_for_in_the_diagnostic_where_the_status_has_none() -> None:
    said = status(block("failed", "unknown", diagnostic="550 5.7.26 unauthenticated"))
    report = read_report(letter(letters.WORDS, said))
    assert report is not None
    assert (report.said, report.code) == (Said.FAILED, "dsn-5.7.26")


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other"])
def test_a_complaint_names_the_message(kind: str) -> None:
    report = read_report(letters.complaint(kind))
    assert report is not None
    assert (report.said, report.code) == (Said.COMPLAINED, f"complaint-{kind}")
    assert report.tokens == (TOKEN,)
    assert report.recipients == (ADDRESS,)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_another_feedback_is_no_complaint(kind: str) -> None:
    assert read_report(letters.complaint(kind)) is None


def test_an_automatic_reply_is_no_bounce() -> None:
    assert read_report(letters.out_of_office()) is None


def test_what_a_person_writes_back_is_no_bounce() -> None:
    assert read_report(letters.human_reply()) is None


def test_a_report_says_nothing_of_anybody_in_its_repr() -> None:
    assert ADDRESS not in repr(read_report(letters.postfix()))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_no_letter_is_too_odd_to_be_read(content: bytes) -> None:
    read_report(content)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damaged_report_is_too_odd_to_be_read(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([letters.postfix(), letters.complaint(), letters.exchange()]))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    read_report(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])
