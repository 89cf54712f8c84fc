"""Letters as PDF: so many a file, each letter in one file only, whoever is in it told once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pyrage
import pytest
from django.urls import reverse

from audit.models import AuditEntry
from insurers.lists.purging import purge_contacts, run_purge
from insurers.models import AffectedMember
from notifications.campaigns.stopping import pause_campaign
from notifications.letters import printing
from notifications.letters.exports import LettersRefused, ask_for_letters, pending_letters
from notifications.letters.pdf import Letter, LetterError
from notifications.letters.printing import make_pdf
from notifications.letters.progress import letter_series
from notifications.letters.rows import make_rows
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    LetterExport,
    LetterKind,
    Notification,
    State,
    Told,
)
from notifications.models.letters import TRIES
from notifications.outbox.building import count_reach
from notifications.references import derive
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from notifications.tasks import make_letters
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.letters.test_letters import KEY, rows, take
from tests.notifications.story import accepted_list, built, member, send

pytestmark = pytest.mark.django_db
NOW = cast.NOW + timedelta(hours=1)
EVERY = (Channel.EMAIL, Channel.SMS, Channel.LETTER)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[list[Letter]]:
    """Two letters a file, which are noted instead of being laid out."""
    seen: list[list[Letter]] = []

    def note(layout: object, letters: Sequence[Letter]) -> bytes:
        seen.append(list(letters))
        return b"%PDF " + " ".join(letter.reference for letter in letters).encode()

    monkeypatch.setattr(printing, "AT_MOST", 2)
    monkeypatch.setattr(printing, "letter_pdf", note)
    return seen


def addressed(number: int) -> str:
    return member(number, address=f"{number} rue Haute;75001;Paris")


def lettered(with_address: int = 5, without: int = 0) -> Campaign:
    """A campaign over people without e-mail or mobile, some with a postal address."""
    people = [addressed(n) for n in range(with_address)]
    people += [member(n) for n in range(with_address, with_address + without)]
    return built(people, channels=EVERY)


def ask(campaign: Campaign, **values: Any) -> LetterExport:
    return ask_for_letters(
        campaign=campaign,
        recipient=str(KEY.to_public()),
        requested_by_id=cast.paule().pk,
        now=NOW,
        **{"kind": LetterKind.PDF} | values,
    )


def make_one() -> bool:
    export = LetterExport.objects.get(made_at=None)
    with as_role("worker"):
        return make_pdf(export_id=export.pk, now=NOW)


def make_all(campaign: Campaign, **values: Any) -> list[LetterExport]:
    ask(campaign, **values)
    while make_one():
        pass
    return list(campaign.letter_exports.order_by("pk"))


def test_each_letter_is_in_one_file_and_tells_once(printed: list[list[Letter]]) -> None:
    campaign = lettered(5)
    files = make_all(campaign)
    assert [file.letters for file in files] == [2, 2, 1]
    (series,) = letter_series(campaign)
    assert (series.done, series.total, series.is_live) == (5, 5, False)

    some = [letter for letters in printed for letter in letters]
    numbers = Notification.objects.values_list("pk", flat=True)
    assert sorted(letter.reference for letter in some) == sorted(map(derive, numbers))
    assert some[0].contact.address == "0 rue Haute\n75001 Paris\n"
    figures = campaign_figures(campaign)
    assert (figures.people[Standing.TOLD], figures.adds_up) == (5, True)
    assert Told.objects.count() == 5
    states = Notification.objects.values_list("state", "reason", "attempts")
    assert set(states) == {(State.ACCEPTED, "letter-exported", 1)}


def test_whoever_has_no_address_is_left_to_the_rows(printed: list[list[Letter]]) -> None:
    campaign = lettered(2, without=2)
    rest = ask(campaign, kind=LetterKind.ROWS_WITHOUT_ADDRESS)
    with as_role("worker"):
        assert make_rows(export_id=rest.pk, now=NOW)
    rest.refresh_from_db()
    assert [row[1] for row in rows(bytes(rest.content))[1:]] == ["4", "5"]
    make_all(campaign)
    assert pending_letters(campaign) == 0
    assert campaign_figures(campaign).people[Standing.TOLD] == 4


def test_a_worker_that_dies_leaves_no_letter_half_way(
    printed: list[list[Letter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = lettered(3)
    ask(campaign)

    def die(*args: object, **values: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(printing, "keep_file", die)
        with pytest.raises(SystemExit):
            make_one()
    assert pending_letters(campaign) == 3
    assert not Notification.objects.exclude(state=State.PENDING).exists()
    while make_one():
        pass
    assert [file.letters for file in campaign.letter_exports.order_by("pk")] == [2, 1]
    assert campaign_figures(campaign).people[Standing.TOLD] == 3


def test_a_letter_that_changes_while_it_is_laid_out_is_laid_out_anew(
    printed: list[list[Letter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = lettered(2)
    ask(campaign)

    def meanwhile(layout: object, letters: Sequence[Letter]) -> bytes:
        Notification.objects.filter(ordinal=2).update(people=2)
        return b"%PDF"

    with monkeypatch.context() as patch:
        patch.setattr(printing, "letter_pdf", meanwhile)
        assert make_one()
    assert pending_letters(campaign) == 2
    make_one()
    assert [letter.people for letter in printed[-1]] == [2, 1]


def test_letters_that_cannot_be_laid_out_are_given_up_and_can_be_asked_for_again(
    printed: list[list[Letter]], monkeypatch: pytest.MonkeyPatch, client: WebClient
) -> None:
    campaign = lettered(2)
    export = ask(campaign)

    def fail(*args: object) -> bytes:
        raise LetterError

    with monkeypatch.context() as patch:
        patch.setattr(printing, "letter_pdf", fail)
        for _try in range(TRIES):
            with pytest.raises(LetterError):
                make_one()
    assert not LetterExport.objects.filter(made_at=None).exists()  # What the sweep asks for.
    assert (pending_letters(campaign), campaign_figures(campaign).adds_up) == (2, True)
    assert AuditEntry.objects.filter(action="letters.failed").count() == 1
    cast.sign_in(client, cast.paule())
    page = client.get(reverse("campaign", args=[campaign.pk])).content.decode()
    said = page.replace("\u00a0", " ").replace("\u202f", " ")
    assert f"Fichier n° {export.pk} : la mise en page a échoué trois fois" in said
    assert "Préparer le fichier" in page
    make_all(campaign)
    assert pending_letters(campaign) == 0


def test_a_lost_file_that_cannot_be_laid_out_again_is_given_up(
    printed: list[list[Letter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = lettered(1)
    (lost,) = make_all(campaign)
    ask(campaign, repeats=lost)

    def fail(*args: object) -> bytes:
        raise LetterError

    with monkeypatch.context() as patch:
        patch.setattr(printing, "letter_pdf", fail)
        for _try in range(TRIES):
            with pytest.raises(LetterError):
                make_one()
    assert [one.letters for one in make_all(campaign, repeats=lost)] == [1, 0, 1]


def test_a_list_that_adds_a_postal_address_corrects_the_one_before() -> None:
    first = built([member(1), member(2, email="b@example.fr")], channels=EVERY)
    with_addresses = [addressed(1), member(2, address="2 rue Haute;75001;Paris")]
    second = accepted_list(with_addresses)
    assert second.rows_contact_changed == 1  # Whose e-mail it would take away stays as it was.
    assert campaign_figures(first).cancelled_by_reason == {"corrected": 1}
    assert accepted_list([*with_addresses, member(3)]).rows_contact_changed == 0


def test_a_pause_stops_after_the_file_in_hand(printed: list[list[Letter]]) -> None:
    campaign = lettered(5)
    ask(campaign)
    assert make_one()
    pause_campaign(campaign_id=campaign.pk, person_id=cast.paule().pk, now=NOW)
    assert not make_one()
    assert pending_letters(campaign) == 3
    (series,) = letter_series(campaign)
    assert (series.done, series.total, series.is_live) == (2, 5, True)
    Campaign.objects.update(state=CampaignState.SENDING)
    while make_one():
        pass
    assert pending_letters(campaign) == 0


def test_of_a_campaign_that_ended_no_letter_is_made(printed: list[list[Letter]]) -> None:
    campaign = lettered(3)
    ask(campaign)
    Campaign.objects.update(state=CampaignState.CANCELLED)
    assert not make_one()
    (file,) = campaign.letter_exports.all()
    assert (file.made_at is not None, file.letters, printed) == (True, 0, [])


def test_a_lost_file_is_made_again_alike_and_tells_nobody(printed: list[list[Letter]]) -> None:
    campaign = lettered(3)
    first = make_all(campaign)[0]
    before = pyrage.decrypt(take(first), [KEY])
    first.refresh_from_db()
    ask(campaign, repeats=first)
    assert not make_one()
    again = campaign.letter_exports.latest("pk")
    assert (again.kind, again.letters) == (LetterKind.PDF, 2)
    assert pyrage.decrypt(bytes(again.content), [KEY]) == before
    assert campaign_figures(campaign).messages[State.ACCEPTED] == 3


def test_without_contacts_no_file_is_made_again(printed: list[list[Letter]]) -> None:
    campaign = lettered(1)
    (first,) = make_all(campaign)
    send(campaign)
    assert campaign.state == CampaignState.FINISHED
    again = ask(campaign, repeats=first)
    purge = purge_contacts(affected_list=campaign.affected_list, requested_by=None, now=NOW)
    with pytest.raises(LettersRefused):
        ask(campaign, repeats=first)
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=NOW)
    assert set(AffectedMember.objects.values_list("contact", "contact_flags")) == {(None, 0)}
    assert not make_one()
    again.refresh_from_db()
    assert (again.letters, bytes(again.content)) == (0, b"")


def test_a_real_pdf_reaches_the_insurer_alone() -> None:
    campaign = lettered(2)
    (file,) = make_all(campaign)
    assert file.file_name == f"lettres-{file.pk}.pdf.age"
    content = take(file)
    assert b"rue Haute" not in content
    assert pyrage.decrypt(content, [KEY]).startswith(b"%PDF-")
    exported = AuditEntry.objects.get(action="letters.exported")
    assert '"letters":2' in exported.detail


# What pages show.


def test_the_plan_says_who_has_only_a_postal_address() -> None:
    both = member(3, email="c@exemple.fr", address="1 rue A;75001;Paris")
    found = accepted_list([addressed(1), member(2), both])
    with as_role("worker"):
        reach = count_reach(affected_list=found)
    assert (reach.postal_people, reach.postal_only_people) == (2, 1)
    assert (reach.no_contact_people, reach.invalid_contact_people) == (2, 0)


def test_the_page_shows_how_far_the_letters_are(
    printed: list[list[Letter]], client: WebClient
) -> None:
    campaign = lettered(3)
    with as_role("worker"):
        count_reach(affected_list=campaign.affected_list)
    cast.sign_in(client, cast.paule())
    page = reverse("campaign", args=[campaign.pk])
    assert "PDF à imprimer" in client.get(page).content.decode()
    asked = {"kind": "pdf", "recipient": str(KEY.to_public())}
    client.post(reverse("letters_ask", args=[campaign.pk]), asked)
    with as_role("worker"):
        make_letters(export_id=LetterExport.objects.get().pk)
    part = client.get(reverse("letters_progress", args=[campaign.pk])).content.decode()
    assert '<progress class="progress"' in part
    assert 'max="3" value="2"' in part
    assert "hx-get" in part
    with as_role("worker"):
        make_letters(export_id=LetterExport.objects.get(made_at=None).pk)
    part = client.get(reverse("letters_progress", args=[campaign.pk])).content.decode()
    assert "hx-get" not in part
    assert part.count("Télécharger le fichier") == 2


def test_the_preview_shows_the_letter_to_fictional_people(client: WebClient) -> None:
    notice = lettered(1).notice_version.notice
    cast.sign_in(client, cast.paule())
    preview = reverse("notice_preview", args=[notice.pk])
    picture = reverse("letter_preview_page", args=[notice.pk, 1])
    assert f'src="{picture}?version=' in client.get(preview).content.decode()
    assert "Sans nom, une lettre" in client.get(preview, {"pour": "unnamed"}).content.decode()
    answer = client.get(picture, {"pour": "family"})
    assert (answer["Content-Type"], answer.content[:4]) == ("image/png", b"\x89PNG")
    assert client.get(reverse("letter_preview", args=[notice.pk])).content[:5] == b"%PDF-"
    for code, number in (("one", 9), ("unnamed", 1), ("nobody", 1)):
        lacking = reverse("letter_preview_page", args=[notice.pk, number])
        assert client.get(lacking, {"pour": code}).status_code == 404


def test_a_stranger_sees_no_letter(client: WebClient) -> None:
    notice = lettered(1).notice_version.notice
    cast.sign_in(client, cast.didier())
    for name, args in (("letter_preview_page", [1]), ("letter_preview", [])):
        assert client.get(reverse(name, args=[notice.pk, *args])).status_code in (403, 404)
