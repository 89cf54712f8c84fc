"""SIGKILL of a worker that keeps a file of letters: none is lost, none is in two files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyrage
import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from audit.models import AuditEntry
from notifications.letters import printing
from notifications.letters.exports import ask_for_letters, pending_letters
from notifications.letters.pdf import Letter
from notifications.letters.printing import make_pdf
from notifications.models import Campaign, Channel, LetterExport, LetterKind, Told
from notifications.outbox.building import build_outbox
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.faults.gates import Gates
from tests.faults.stack import Stack, own_database
from tests.faults.test_no_transaction import open_transactions
from tests.notifications.story import accepted_list, approved, member

KEY = pyrage.x25519.Identity.generate()
LETTERS = 3
BEFORE_COMMIT = """
CREATE TRIGGER gate AFTER INSERT ON public.audit_auditentry
    FOR EACH ROW WHEN (NEW.action = 'letters.exported') EXECUTE FUNCTION public.gate(0);
"""


@pytest.fixture
def stack(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"letter_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=8, smtp_port=1, processes=1)
        try:
            yield stack
        finally:
            stack.stop()


def asked() -> tuple[Campaign, LetterExport]:
    rows = [member(n, address=f"{n} rue Haute;75001;Paris") for n in range(LETTERS)]
    campaign = approved(accepted_list(rows), channels=(Channel.EMAIL, Channel.LETTER))
    build_outbox(campaign_id=campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    export = ask_for_letters(
        campaign=campaign,
        kind=LetterKind.PDF,
        recipient=str(KEY.to_public()),
        requested_by_id=cast.paule().pk,
        now=timezone.now(),
    )
    return campaign, export


def test_a_kill_before_the_end_leaves_every_letter_to_the_next_worker(stack: Stack) -> None:
    campaign, export = asked()
    servers = Path(os.environ["PORTAL_TEST_FOLDER"])
    gates = Gates(stack, servers=servers, phases=("keeping",), triggers=BEFORE_COMMIT)
    stack.start_worker()
    with gates.closed("keeping"):
        stack.send("notifications.tasks.make_letters", export_id=export.pk)
        stack.wait_for(lambda: gates.somebody_stands_before("keeping"), what="a made file")
        stack.kill_worker()
        gates.end_connections_before("keeping")
    assert pending_letters(campaign) == LETTERS
    make_pdf(export_id=export.pk, now=timezone.now())  # as the next worker does

    (file,) = LetterExport.objects.all()
    assert pyrage.decrypt(bytes(file.content), [KEY]).startswith(b"%PDF-")
    figures = campaign_figures(campaign)
    assert (file.letters, figures.people[Standing.TOLD], figures.adds_up) == (LETTERS, 3, True)
    assert Told.objects.count() == LETTERS
    assert AuditEntry.objects.filter(action="letters.exported").count() == 1


def test_no_transaction_is_open_while_letters_are_laid_out(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    _campaign, export = asked()
    seen: list[list[str]] = []

    def look(layout: object, letters: Sequence[Letter]) -> bytes:
        seen.append(open_transactions(stack.name))
        return b"%PDF"

    monkeypatch.setattr(printing, "letter_pdf", look)
    make_pdf(export_id=export.pk, now=timezone.now())
    assert seen == [[]]
