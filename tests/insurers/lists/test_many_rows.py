"""Files over many pieces and blocks give exactly the counts that were written into them."""

import pytest

from insurers.lists import cutting, uploads
from insurers.lists.ingestion import ingest_list
from insurers.lists.problems import Problem
from insurers.models import AffectedList, ListReport, ListState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import received
from tests.insurers.lists.many_rows import COUNTED, ManyRows

pytestmark = pytest.mark.django_db

REPEATED = (Problem.DUPLICATE, Problem.CONFLICTING_CONTACT)


def counts_of(affected_list: AffectedList) -> dict[str, int]:
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.REVIEW, affected_list.refusal_code
    return {name: getattr(affected_list, name) for name in COUNTED}


def taken(rows: ManyRows) -> AffectedList:
    affected_list = received(rows)
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    return affected_list


@pytest.mark.parametrize("piece_bytes", [61, 997, 4096])
def test_every_row_is_counted_once_wherever_the_borders_fall(
    monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(uploads, "CHUNK_BYTES", piece_bytes)
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 5000)
    rows = ManyRows(300)
    affected_list = taken(rows)
    assert counts_of(affected_list) == rows.counts


@pytest.mark.full
def test_five_million_rows_are_counted_exactly() -> None:
    rows = ManyRows(5_000_000)
    affected_list = taken(rows)
    assert counts_of(affected_list) == rows.counts
    report = ListReport.objects.get(affected_list=affected_list)
    assert report.new == rows.counts["members"]
    repeated = rows.counts["rows_duplicate"] + rows.counts["rows_conflicting"]
    assert sum(lines for _severity, code, lines in report.problems if code in REPEATED) == repeated
