"""Every page and action, by every role, compared with the written table (docs/roles.md)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from breachportal.models import User
from insurers.api.tokens import create_token
from insurers.models import (
    Breach,
    Mandate,
    Membership,
    RememberedColumn,
    Role,
    TokenScope,
    Upload,
    UploadState,
)
from insurers.team.memberships import Joining, invite, token_of
from notifications.evidence.packs import ask_for_evidence
from notifications.exemptions.deciding import submit_exemption
from notifications.models import Asked, Channel, ExemptionGround, Sample
from notifications.replies.staff_questions import PersonAsked, ask_as_staff
from tests import cast
from tests.conftest import Writing, as_role
from tests.notifications.letters.test_letters import ask as ask_for_a_file
from tests.notifications.statements import submitted as submitted_statement
from tests.notifications.story import accepted_list, built, draft_for, member, reviewed_list

pytestmark = pytest.mark.django_db

TABLE = Path(__file__).parents[2] / "docs" / "roles.md"
# The columns of the table, by the name that they have here.
ROLES = {
    "no role": "stranger",
    "viewer": "viewer",
    "preparer": "preparer",
    "approver": "approver",
    "another insurer's preparer": "elsewhere",
    "auditor": "auditor",
    "another insurer's auditor": "auditor elsewhere",
    "operator": "operator",
}
# Who may nothing beyond what an account without a role may.
NOBODY = {"anonymous", "past auditor"}
# An auditor of this insurer in another breach: no more than one of another insurer.
OTHER_BREACH = "auditor of another breach"
OURS = ("insurers.", "notifications.")  # Of one's own account: allauth's pages, for everybody.
ANY_ACCOUNT = {"invitation_join"}  # Whoever holds the invitation.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TRIED_FIRST = ("preparer", "approver")  # Where neither may use a method, the page has none such.
REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


@dataclass(frozen=True)
class World:
    """What the addresses name, and a browser for each role."""

    values: dict[str | tuple[str, str], Any]
    browsers: dict[str, Client]


@pytest.fixture(scope="module")
def world(beginning: Writing, standing_cast: None) -> World:
    with beginning():
        return _made()


def _made() -> World:
    publication = submitted_statement()
    campaign = built(
        [member(1, email="a@example.fr"), member(2)],
        channels=(Channel.EMAIL, Channel.SMS, Channel.LETTER),
    )
    review = reviewed_list([member(8, email="b@example.fr")])
    export = ask_for_a_file(campaign)
    exemption = submit_exemption(
        affected_list=accepted_list([member(9, email="c@example.fr")]),
        ground=ExemptionGround.UNINTELLIGIBLE,
        justification="Les données étaient chiffrées, et la clé n’a pas été prise avec elles.",
        submitted_by_id=cast.paule().pk,
        now=cast.NOW,
    )
    invitation = invite(
        joining=Joining("nouvelle@example.fr", cast.phare().pk, Role.VIEWER),
        invited_by_id=cast.armand().pk,
        now=cast.NOW,
    )
    token = create_token(
        insurer=cast.phare(),
        name="paie",
        scopes=[TokenScope.LISTS_WRITE],
        lasts=timedelta(days=30),
        created_by_id=cast.armand().pk,
        now=cast.NOW,
    )
    upload = Upload.objects.create(
        id=uuid4(),
        insurer=cast.phare(),
        breach=cast.breach(),
        population=cast.insured_people(),
        state=UploadState.RECEIVING,
        size_bytes=10,
        created_by=cast.paule(),
        created_at=cast.NOW,
        last_at=cast.NOW,
    )
    remembered = RememberedColumn.objects.create(
        insurer=cast.phare(), key="x", header="X", field="email", remembered_at=cast.NOW
    )
    sample = Sample.objects.create(
        affected_list=campaign.affected_list,
        insurer=cast.phare(),
        seed="a",
        size=1,
        asked_by=cast.aude(),
        asked_at=cast.NOW,
    )
    membership = Membership.objects.create(
        user=cast.user("nadia"),
        insurer=cast.phare(),
        role=Role.VIEWER,
        invited_by=cast.armand(),
        created_at=cast.NOW,
    )
    pack = ask_for_evidence(
        breach=cast.breach(),
        insurer=cast.phare(),
        requested_by_id=cast.vera().pk,
        now=cast.NOW,
    )
    values: dict[str | tuple[str, str], Any] = {
        "list_id": review.pk,
        "campaign_id": campaign.pk,
        "notice_id": draft_for(review).notice_id,
        "number": 1,
        "export_id": export.pk,
        "breach_slug": cast.breach().slug,
        "insurer_slug": cast.phare().slug,
        "slug": cast.phare().slug,
        "publication_id": publication.pk,
        "exemption_id": exemption.pk,
        "membership_id": membership.pk,
        "invitation_id": invitation.pk,
        "token_id": token.token.pk,
        "token": token_of(invitation),
        "upload_id": upload.pk,
        "remembered_id": remembered.pk,
        "sample_id": sample.pk,
        "pack_id": pack.pk,
        # Where one address needs another object than its name says.
        ("staff_answer", "number"): _asked(cast.paule(), Asked.STANDING),
        ("person_answer", "number"): _asked(cast.armand(), Asked.ACCESS),
        ("sample_list", "list_id"): campaign.affected_list_id,
    }
    return World(
        values, {name: _browser(name) for name in (*ROLES.values(), *NOBODY, OTHER_BREACH)}
    )


def _asked(person: User, asked: Asked) -> UUID:
    return ask_as_staff(
        insurer_id=cast.phare().pk,
        asked_by_id=person.pk,
        person=PersonAsked("1", "1980-03-12", ""),
        asked=asked,
        now=cast.NOW,
    )


def _browser(name: str) -> Client:
    browser = Client()
    people: dict[str, Callable[[], Any]] = {
        "viewer": cast.vera,
        "preparer": cast.paule,
        "approver": cast.armand,
        "elsewhere": cast.didier,
        "auditor": cast.aude,
        "operator": cast.odile,
        "stranger": lambda: cast.user("etranger"),
        "past auditor": lambda: _auditor("ancienne", until=date(2026, 3, 1)),
        "auditor elsewhere": lambda: _auditor("ailleurs", until=date(2099, 1, 1), insurer="dune"),
        OTHER_BREACH: _auditor_of_another_breach,
    }
    return cast.sign_in(browser, people[name]()) if name in people else browser


def _auditor(name: str, *, until: date, insurer: str = "phare") -> Any:
    person = cast.user(name)
    mandate = Mandate.objects.create(user=person, until_date=until, created_at=cast.NOW)
    mandate.breaches.add(cast.breach())
    mandate.insurers.add(cast.dune() if insurer == "dune" else cast.phare())
    return person


def _auditor_of_another_breach() -> Any:
    person = _auditor("autrement", until=date(2099, 1, 1))
    other = Breach.objects.create(slug="autre", name_fr="Autre", name_en="Other")
    Mandate.objects.get(user=person).breaches.set([other])
    return person


def pages() -> dict[str, list[str]]:
    """Return what the addresses of staff's pages take, by the page's name."""
    return dict(_walk(get_resolver().url_patterns))


def _walk(
    patterns: list[URLPattern | URLResolver], taken: tuple[str, ...] = ()
) -> Iterator[tuple[str, list[str]]]:
    for pattern in patterns:
        takes = (*taken, *re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern)))
        if isinstance(pattern, URLResolver):
            if pattern.app_name == "admin":
                continue
            yield from _walk(pattern.url_patterns, takes)
        elif _is_ours(pattern):
            assert pattern.name is not None, pattern
            yield pattern.name, list(takes)


def _is_ours(pattern: URLPattern) -> bool:
    view = pattern.callback
    is_for_staff = getattr(view, "login_required", True)
    return is_for_staff and view.__module__.startswith(OURS) and pattern.name not in ANY_ACCOUNT


def written() -> dict[tuple[str, str], set[str]]:
    """Read the table: who may, by the name of the page and the method."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in TABLE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    header = next(cells for cells in lines if cells[0] == "Page")
    columns = [ROLES[name] for name in header[3:]]
    return {
        (cells[0].strip("`"), cells[1]): {
            role for role, mark in zip(columns, cells[3:], strict=True) if mark == "×"
        }
        for cells in lines
        if cells[0].startswith("`")
    }


def allowed(world: World, name: str, method: str, takes: list[str]) -> set[str]:
    """Return the roles that are not refused; whatever a request changes is undone."""
    values = {one: world.values.get((name, one), world.values[one]) for one in takes}
    address = reverse(name, kwargs=values)
    found = set()
    for role in sorted(world.browsers, key=lambda role: role not in TRIED_FIRST):
        status, is_sent_to_sign_in = _ask(world.browsers[role], method, address)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            return set()
        if status not in REFUSED and not is_sent_to_sign_in:
            found.add(role)
    return found


def _ask(browser: Client, method: str, address: str) -> tuple[int, bool]:
    with transaction.atomic():
        with as_role("web"):
            response = browser.generic(method, address)
            b"".join(response)  # A body that is streamed would be left open.
        transaction.set_rollback(True)
    return response.status_code, "/compte/" in response.headers.get("Location", "")


@pytest.mark.parametrize(("name", "takes"), sorted(pages().items()))
def test_each_role_may_what_is_written(world: World, name: str, takes: list[str]) -> None:
    table = written()
    for method in METHODS:
        may = allowed(world, name, method, takes)
        assert OTHER_BREACH not in may or "auditor elsewhere" in may, method
        assert may - NOBODY - {OTHER_BREACH} == table.get((name, method), set()), method
        assert may & NOBODY <= ({"past auditor"} if "stranger" in may else set()), method


def test_nothing_is_written_of_pages_that_are_not() -> None:
    assert {name for name, _method in written()} == set(pages())


def test_an_auditor_changes_nothing_but_what_is_the_auditors_own() -> None:
    changing = {
        name
        for (name, method), roles in written().items()
        if method != "GET" and "auditor" in roles
    }
    assert changing == {"evidence_ask", "evidence_download", "match", "sample_list"}
