"""Samples that auditors draw: reproducible, complete, without anything that identifies somebody."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError

from audit.models import AuditEntry
from insurers.lists.purging import purge_list, run_purge
from insurers.models import AffectedList, Mandate
from notifications.models import Sample
from notifications.samples import drawing
from notifications.samples.drawing import SampleRefused, ask_sample, draw_what_waits
from notifications.samples.histories import History, histories
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.story import accepted_list, built, member, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]

WRONG = ";12/03/1980;Phare;Omar;omar@example.fr;;"


def drawn(found: AffectedList, *, seed: str = "graine-1", size: int = 3) -> Sample:
    sample = ask_sample(
        affected_list=found, asked_by_id=cast.aude().pk, seed=seed, size=size, now=cast.NOW
    )
    with as_role("worker"):
        draw_what_waits(now=cast.NOW)
    sample.refresh_from_db()
    return sample


def rows_of(sample: Sample) -> list[int]:
    return [row["row"] for row in sample.rows]


def test_whoever_knows_the_seed_draws_the_same_rows() -> None:
    people = [member(number, email=f"p{number}@example.fr") for number in range(1, 40)]
    found = accepted_list([*people[:20], WRONG, *people[20:]])
    expected: list[int] = []
    number = 0
    while len(expected) < 5:  # As docs and page say, written anew.
        digest = hashlib.sha256(f"graine-1:{number}".encode()).hexdigest()
        row = 2 + int(digest, 16) % 40
        if row not in expected and row != 22:  # The rejected one.
            expected.append(row)
        number += 1
    sample = drawn(found, size=5)
    assert (rows_of(sample), sample.drawn_from) == (expected, 41)
    assert rows_of(drawn(found, size=5)) == expected
    assert rows_of(drawn(found, seed="graine-2", size=5)) != expected


def test_a_sample_larger_than_the_list_is_everybody_once() -> None:
    found = accepted_list([member(1), member(2), member(3)])
    assert sorted(rows_of(drawn(found, size=500))) == [2, 3, 4]


def test_each_row_tells_what_became_of_it() -> None:
    campaign = built(
        [
            member(1, email="famille@example.fr"),
            member(2, email="famille@example.fr"),
            member(3),
        ]
    )
    send(campaign)
    by_row = {row["row"]: row for row in drawn(campaign.affected_list).rows}
    for row in (2, 3):  # One message, which covers both.
        (message,) = by_row[row]["messages"]
        assert (message["channel"], message["state"]) == ("email", "accepted")
        assert [event["state"] for event in message["events"]][-1] == "accepted"
    assert (by_row[4]["messages"], by_row[4]["none"]) == ([], "no_contact")


def test_nothing_in_a_sample_or_the_trail_identifies_anybody() -> None:
    campaign = built([member(1, email="lise@example.fr", mobile="0612345678")])
    send(campaign)
    sample = drawn(campaign.affected_list)
    kept = json.dumps(sample.rows) + str(list(AuditEntry.objects.values_list("detail", flat=True)))
    for secret in ("lise", "612345678", "000000001", "1980", "Camille"):
        assert secret not in kept
    entry = AuditEntry.objects.get(action="sample.asked")
    assert entry.actor == f"account:{cast.aude().pk}"


def test_of_an_erased_list_nobody_is_drawn() -> None:
    campaign = built([member(1, email="lise@example.fr")])
    send(campaign)
    found = campaign.affected_list
    purge = purge_list(affected_list=found, requested_by=None, now=cast.NOW)
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)
    with pytest.raises(SampleRefused):
        drawn(found)


def test_a_sample_is_forgotten_after_thirty_days() -> None:
    drawn(accepted_list([member(1)]))
    with as_role("worker"):
        draw_what_waits(now=cast.NOW + timedelta(days=30, seconds=-1))
        assert Sample.objects.exists()
        draw_what_waits(now=cast.NOW + timedelta(days=30))
        assert not Sample.objects.exists()


def test_an_auditor_asks_waits_and_reads(client: WebClient) -> None:
    campaign = built([member(1, email="lise@example.fr")])
    send(campaign)
    cast.sign_in(client, cast.aude())
    address = f"/registre/listes/{campaign.affected_list_id}/echantillon/"
    assert "Tirer l’échantillon" in client.get(address).content.decode()
    wrong = client.post(address, {"size": "0", "seed": "é"})
    assert wrong.status_code == 422
    asked = client.post(address, {"size": "1", "seed": "abc"})
    waits = client.get(asked["Location"])
    assert "Tirage en cours" in waits.content.decode()
    assert client.get(asked["Location"], headers={"HX-Request": "true"}).status_code == 204
    with as_role("worker"):
        draw_what_waits(now=cast.NOW)
    text = client.get(asked["Location"]).content.decode()
    assert "acceptée par le serveur" in text
    assert "Ligne 2" in text
    assert "abc" in text


def test_nobody_else_draws_or_reads(client: WebClient) -> None:
    found = accepted_list([member(1)])
    sample = drawn(found)
    for person in (cast.paule(), cast.vera(), cast.didier(), cast.odile()):
        cast.sign_in(client, person)
        assert client.get(f"/registre/listes/{found.pk}/echantillon/").status_code == 403
        assert client.get(f"/registre/echantillons/{sample.pk}/").status_code == 403


def test_the_web_role_cannot_write_what_a_sample_says() -> None:
    drawn(accepted_list([member(1)]))
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        Sample.objects.update(rows=[])


def test_the_worker_looks_at_the_mandate_again() -> None:
    found = accepted_list([member(1)])
    aude = cast.aude().pk
    ask_sample(affected_list=found, asked_by_id=aude, seed="a", size=1, now=cast.NOW)
    Mandate.objects.update(until_date=cast.NOW.date() - timedelta(days=1))
    with as_role("worker"):
        draw_what_waits(now=cast.NOW)
    assert not Sample.objects.exists()
    assert AuditEntry.objects.filter(action="sample.asked", outcome="refused").count() == 1


def test_a_sample_that_goes_while_it_is_drawn_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = accepted_list([member(1), member(2)])
    for seed in ("a", "b"):
        ask_sample(affected_list=found, asked_by_id=cast.aude().pk, seed=seed, size=1, now=cast.NOW)
    first = Sample.objects.earliest("pk")

    def gone_meanwhile(**asked: Any) -> list[History]:
        Sample.objects.filter(pk=first.pk).delete()
        return histories(**asked)

    monkeypatch.setattr(drawing, "histories", gone_meanwhile)
    with as_role("worker"):
        draw_what_waits(now=cast.NOW)
    assert Sample.objects.get().made_at == cast.NOW
