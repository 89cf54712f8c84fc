"""PostgreSQL itself keeps each insurer's rows apart, whatever the code above forgets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, connection
from django.db.models import Model

from audit.models import AuditEntry
from audit.trail import PORTAL, insurer_scope, record
from insurers.models import (
    AffectedList,
    Declaration,
    Insurer,
    Invitation,
    ListState,
    Mandate,
    Membership,
    RememberedColumn,
    Role,
    Upload,
    UploadState,
)
from insurers.row_security import ScopeRole, row_scope
from tests import cast
from tests.conftest import Writing, as_role

pytestmark = pytest.mark.django_db

OWNED: tuple[type[Model], ...] = (
    Membership,
    Invitation,
    Declaration,
    AffectedList,
    RememberedColumn,
    Upload,
)


@contextmanager
def web(role: ScopeRole, *insurers: Insurer, user_id: int | None = None) -> Iterator[None]:
    """Run a block as the web role, within a scope."""
    scope = row_scope(insurers=[one.pk for one in insurers], role=role, user_id=user_id)
    with as_role("web"), scope:
        yield


@pytest.fixture(scope="module")
def _both(beginning: Writing) -> None:
    """The Phare and the Dune each have one row of everything that belongs to an insurer."""
    with beginning():
        for place, person in ((cast.phare(), cast.paule()), (cast.dune(), cast.didier())):
            Invitation.objects.create(
                email="nadia@example.fr",
                insurer=place,
                role=Role.VIEWER,
                invited_by=cast.odile(),
                created_at=cast.NOW,
                expires_at=cast.NOW,
            )
            cast.declaration(place)
            RememberedColumn.objects.create(
                insurer=place,
                key="numero police",
                header="N° Police",
                field="member_number",
                remembered_at=cast.NOW,
            )
            Upload.objects.create(
                id=uuid4(),
                insurer=place,
                breach=cast.breach(),
                population=cast.insured_people(),
                state=UploadState.RECEIVING,
                size_bytes=1,
                created_by=person,
                created_at=cast.NOW,
                last_at=cast.NOW,
            )
            AffectedList.objects.create(
                breach=cast.breach(),
                insurer=place,
                population=cast.insured_people(),
                state=ListState.UPLOADED,
                upload_id=uuid4(),
                chunk_count=1,
                size_bytes=1,
                uploaded_by=person,
                uploaded_at=cast.NOW,
            )


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", OWNED)
def test_without_a_scope_the_web_role_sees_nothing(model: type[Model]) -> None:
    assert model._default_manager.count() == 2
    with as_role("web"):
        assert model._default_manager.count() == 0


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", OWNED)
@pytest.mark.parametrize("role", ["staff", "auditor"])
def test_a_scope_shows_its_insurer_only(model: type[Model], role: ScopeRole) -> None:
    with web(role, cast.phare()):
        assert {row.insurer_id for row in model._default_manager.all()} == {cast.phare().pk}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", OWNED)
def test_staff_cannot_write_into_another_insurer(model: type[Model]) -> None:
    foreign = model._default_manager.get(insurer=cast.dune())
    with web("staff", cast.phare()):
        changed = model._default_manager.filter(pk=foreign.pk).update(insurer=cast.phare())
    assert changed == 0


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", OWNED)
def test_staff_cannot_give_a_row_to_another_insurer(model: type[Model]) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), web("staff", cast.phare()):
        model._default_manager.update(insurer=cast.dune())


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", OWNED)
@pytest.mark.parametrize("role", ["auditor", "nobody"])
def test_only_staff_writes_what_belongs_to_an_insurer(model: type[Model], role: ScopeRole) -> None:
    with web(role, cast.phare()):
        assert model._default_manager.update(insurer=cast.phare()) == 0


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("model", [Declaration, AffectedList])
def test_the_operator_sees_no_list_and_no_declaration(model: type[Model]) -> None:
    with web("operator", user_id=cast.odile().pk):
        assert model._default_manager.count() == 0


def test_an_auditor_cannot_add_a_declaration() -> None:
    phare, breach, aude = cast.phare(), cast.breach(), cast.aude()
    with pytest.raises(ProgrammingError, match="row-level security"), web("auditor", phare):
        Declaration.objects.create(
            breach=breach,
            insurer=phare,
            is_concerned=False,
            declared_by=aude,
            declared_at=cast.NOW,
        )


def test_a_mandate_is_seen_by_its_auditor_and_the_operator() -> None:
    aude, paule = cast.aude(), cast.paule()
    seen = []
    for role, person in (("auditor", aude), ("operator", cast.odile()), ("staff", paule)):
        with web(role, user_id=person.pk):  # type: ignore[arg-type]
            seen.append((Mandate.objects.count(), Mandate.breaches.through.objects.count()))
    assert seen == [(1, 1), (1, 1), (0, 0)]


@pytest.mark.parametrize(
    ("role", "chains"),
    [
        ("staff", {"phare"}),
        ("auditor", {"phare", "portal"}),
    ],
)
def test_each_role_reads_its_own_chains(role: ScopeRole, chains: set[str]) -> None:
    names = {insurer_scope(cast.phare().pk): "phare", insurer_scope(cast.dune().pk): "dune"}
    for scope in (*names, PORTAL):
        record(action="test.written", scope=scope)
    with web(role, cast.phare()):
        found = {names.get(entry.scope, entry.scope) for entry in AuditEntry.objects.all()}
    assert found == chains


def test_the_operator_reads_the_portal_chain_only() -> None:
    for scope in (insurer_scope(cast.phare().pk), PORTAL):
        record(action="test.written", scope=scope)
    with web("operator"):
        assert [entry.scope for entry in AuditEntry.objects.all()] == [PORTAL]


def test_a_scope_ends_with_its_transaction() -> None:
    address = {"host": os.environ["PORTAL_TEST_FOLDER"], "dbname": connection.settings_dict["NAME"]}
    with psycopg.connect(**address, user="breachportal_web") as web_process:
        web_process.execute(f"SELECT set_config('portal.insurers', '{uuid4()}', true)")
        assert web_process.execute("SELECT cardinality(portal_insurers())").fetchone() == (1,)
        web_process.commit()
        assert web_process.execute("SELECT portal_insurers()").fetchone() == (None,)
