"""Letters: a file that the insurer alone can open, made once, with its outcomes, and taken once."""

import csv
import io
from datetime import timedelta

import pyrage
import pytest
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from notifications.letters.exports import (
    LettersRefused,
    ask_for_letters,
    checked_recipient,
    download_letters,
    pending_letters,
)
from notifications.letters.rows import make_rows
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    LetterExport,
    Notification,
    State,
    Told,
)
from notifications.references import derive, fingerprint
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.story import built, member, send

pytestmark = pytest.mark.django_db
KEY = pyrage.x25519.Identity.generate()
NOW = cast.NOW + timedelta(hours=1)
EVERY = (Channel.EMAIL, Channel.SMS, Channel.LETTER)


def lettered(count: int = 3) -> Campaign:
    """A campaign over people without e-mail or mobile."""
    return built([member(n) for n in range(count)], channels=EVERY)


def ask(campaign: Campaign, *, repeats: LetterExport | None = None) -> LetterExport:
    return ask_for_letters(
        campaign=campaign,
        recipient=str(KEY.to_public()),
        requested_by_id=cast.paule().pk,
        repeats=repeats,
        now=NOW,
    )


def made(campaign: Campaign, *, repeats: LetterExport | None = None) -> LetterExport:
    export = ask(campaign, repeats=repeats)
    with as_role("worker"):
        assert make_rows(export_id=export.pk, now=NOW)
    export.refresh_from_db()
    return export


def rows(content: bytes) -> list[list[str]]:
    text = pyrage.decrypt(content, [KEY]).decode()
    return list(csv.reader(io.StringIO(text), delimiter=";"))


def test_whoever_has_no_email_or_mobile_waits_for_a_letter() -> None:
    campaign = lettered()
    assert pending_letters(campaign) == 3
    assert campaign_figures(campaign).people[Standing.IN_PROGRESS] == 3


def test_the_file_names_rows_of_the_insurers_own_file_and_references() -> None:
    campaign = lettered()
    found = rows(bytes(made(campaign).content))
    source = bytes(campaign.affected_list.sha256 or b"").hex()
    letters = Notification.objects.order_by("pk")
    assert found[0] == ["fichier_sha256", "ligne", "code_de_reference"]
    assert found[1:] == [[source, str(n.ordinal), derive(n.pk)] for n in letters]


def test_whose_letter_is_exported_counts_as_told() -> None:
    campaign = lettered()
    made(campaign)
    letter = Notification.objects.first()
    assert letter is not None
    assert (letter.state, letter.reason) == (State.ACCEPTED, "letter-exported")
    assert bytes(letter.reference_fingerprint or b"") == fingerprint(derive(letter.pk))
    figures = campaign_figures(campaign)
    assert (figures.people[Standing.TOLD], figures.adds_up) == (3, True)
    assert Told.objects.count() == 3


def test_letters_are_among_the_first_and_last_messages() -> None:
    """A file that is made again sends nothing more."""
    campaign = lettered()
    export = made(campaign)
    download_letters(export_id=export.pk, downloaded_by_id=cast.paule().pk, now=NOW)
    export.refresh_from_db()
    later = ask(campaign, repeats=export)
    with as_role("worker"):
        assert make_rows(export_id=later.pk, now=NOW + timedelta(days=2))
    campaign.refresh_from_db()
    assert (campaign.first_message_at, campaign.last_message_at) == (NOW, NOW)


def test_the_campaign_ends_once_its_letters_are_exported() -> None:
    campaign = lettered()
    send(campaign)
    assert campaign.state == CampaignState.SENDING
    made(campaign)
    send(campaign)
    assert campaign.state == CampaignState.FINISHED


def test_nobody_else_can_open_the_file() -> None:
    content = bytes(made(lettered()).content)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(content, [pyrage.x25519.Identity.generate()])


def test_a_file_leaves_once() -> None:
    export = made(lettered())
    assert len(rows(take(export))) == 4
    with pytest.raises(LettersRefused):
        take(export)
    export.refresh_from_db()
    assert bytes(export.content) == b""


def take(export: LetterExport) -> bytes:
    return download_letters(export_id=export.pk, downloaded_by_id=cast.paule().pk, now=NOW)


def test_a_lost_file_is_made_again_and_tells_nobody_twice() -> None:
    campaign = lettered()
    first = made(campaign)
    before = rows(take(first))
    again = made(campaign, repeats=first)
    assert rows(bytes(again.content)) == before
    assert campaign_figures(campaign).messages[State.ACCEPTED] == 3


def test_a_second_task_makes_nothing() -> None:
    export = made(lettered())
    with as_role("worker"):
        assert not make_rows(export_id=export.pk, now=NOW)


def test_one_file_is_made_at_a_time_and_none_of_nothing() -> None:
    campaign = lettered()
    ask(campaign)
    with pytest.raises(LettersRefused):
        ask(campaign)
    with as_role("worker"):
        make_rows(export_id=LetterExport.objects.get().pk, now=NOW)
    with pytest.raises(LettersRefused):
        ask(campaign)


@pytest.mark.parametrize("text", ["", "age1x", "AGE-SECRET-KEY-1QQ", "ssh-ed25519 AAAA"])
def test_what_is_no_age_key_is_refused(text: str) -> None:
    with pytest.raises(LettersRefused):
        checked_recipient(text)


def test_asking_making_and_taking_are_in_the_trail() -> None:
    take(made(lettered()))
    actions = AuditEntry.objects.filter(action__startswith="letters.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "letters.asked",
        "letters.exported",
        "letters.downloaded",
    ]


def test_the_page_goes_from_asking_to_the_file(client: WebClient) -> None:
    campaign = lettered()
    cast.sign_in(client, cast.paule())
    page = reverse("campaign", args=[campaign.pk])
    assert "Votre liste ne donne pas d’adresse postale" in client.get(page).content.decode()
    client.post(reverse("letters_ask", args=[campaign.pk]), {"recipient": str(KEY.to_public())})
    export = LetterExport.objects.get()
    assert "en préparation" in client.get(page).content.decode()
    with as_role("worker"):
        make_rows(export_id=export.pk, now=timezone.now())
    assert "Télécharger le fichier" in client.get(page).content.decode()
    answer = client.post(reverse("letters_download", args=[export.pk]))
    assert len(rows(answer.content)) == 4
    assert "Refaire le fichier" in client.get(page).content.decode()


@pytest.mark.parametrize("person", ["vera", "didier", "aude"])
def test_a_viewer_a_stranger_and_an_auditor_take_nothing(client: WebClient, person: str) -> None:
    export = made(lettered())
    cast.sign_in(client, getattr(cast, person)())
    answer = client.post(reverse("letters_download", args=[export.pk]))
    assert answer.status_code in (403, 404)
    export.refresh_from_db()
    assert export.downloaded_at is None
