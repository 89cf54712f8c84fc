"""Fill a demonstration: a fictional insurer, its staff, and a list taken all the way."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from breachportal.demo_cast import INSURER_SLUG, Cast, create_cast
from breachportal.embedded.members import write_members
from insurers.lists.acceptance import decide_to_accept
from insurers.lists.ingestion import operators_for, register_list
from insurers.lists.uploads import seal_file
from insurers.models import AffectedList, Insurer, ListState, Population
from insurers.numbers import spaced
from insurers.queueing import enqueue
from insurers.row_security import row_scope
from insurers.tasks import accept_list, ingest_list
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.submitting import submit_campaign
from notifications.models import Campaign, CampaignState, Channel, State
from notifications.notices.checklist import points_of
from notifications.notices.content import NoticeContent, save_version
from notifications.notices.facts import create_notice
from notifications.register.figures import Figures, campaign_figures
from notifications.statements.content import StatementTexts, draft_of, save_statement
from notifications.statements.publishing import approve_statement, submit_statement
from notifications.states import Standing
from notifications.tasks import look_for_alerts, start_campaign

PATIENCE = 120.0  # seconds without any progress after which something is wrong


class Command(BaseCommand):
    help = "Create the fictional insurer of the demonstration and notify its members."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--members", type=int, default=50_000)

    def handle(self, *args: Any, **options: Any) -> None:
        if not Insurer.objects.filter(slug=INSURER_SLUG).exists():
            cast = create_cast(now=timezone.now())
            self._write_accounts(cast)
            self._tell_the_story(cast, members=options["members"])
        self._say_summary()

    def _write_accounts(self, cast: Cast) -> None:
        path = Path(os.environ["DEMO_STATE_FILE"])
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"accounts": [asdict(account) for account in cast.accounts]}, file, indent=1)

    def _tell_the_story(self, cast: Cast, *, members: int) -> None:
        """Take a list through the code that an upload takes, each step by whose part it is."""
        self._say(f"Une liste de {spaced(members)} personnes fictives est écrite, scellée et lue.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "membres.csv"
            write_members(path, rows=members)
            upload = seal_file(path)
        with _as(cast, cast.preparer.pk):
            affected_list = register_list(
                breach=cast.breach,
                insurer=cast.insurer,
                operators=operators_for(breach=cast.breach, insurer=cast.insurer),
                population=Population.objects.get(code="insured_people"),
                upload=upload,
                uploaded_by=cast.preparer,
                now=timezone.now(),
            )
            enqueue(ingest_list, list_id=affected_list.pk)
        self._follow_list(cast, affected_list.pk, ListState.REVIEW)
        with _as(cast, cast.preparer.pk):
            affected_list.refresh_from_db()
            decide_to_accept(
                affected_list=affected_list, decided_by=cast.preparer, now=timezone.now()
            )
            enqueue(accept_list, list_id=affected_list.pk)
        self._follow_list(cast, affected_list.pk, ListState.ACCEPTED)
        self._say("L’avis est rédigé, soumis, puis approuvé par une autre personne.")
        campaign = _approved_campaign(cast, affected_list.pk)
        self._follow_campaign(cast, campaign.pk)
        _publish_statement(cast)
        enqueue(look_for_alerts)

    def _follow_list(self, cast: Cast, list_id: int, goal: ListState) -> None:
        def step() -> tuple[bool, str]:
            with _as(cast, cast.preparer.pk):
                found = AffectedList.objects.get(pk=list_id)
            if found.state == ListState.REFUSED:
                raise CommandError(f"La liste est refusée ({found.refusal_code}).")
            line = f"liste : {spaced(found.rows)} lignes, {found.get_state_display()}"
            return found.state == goal, line

        self._follow(step)

    def _follow_campaign(self, cast: Cast, campaign_id: int) -> None:
        def step() -> tuple[bool, str]:
            with _as(cast, cast.preparer.pk):
                found = Campaign.objects.select_related("affected_list").get(pk=campaign_id)
                figures = campaign_figures(found)
            if found.state == CampaignState.HALTED:
                raise CommandError("La campagne s’est arrêtée : trop d’échecs.")
            done, total = spaced(figures.messages_done), spaced(figures.messages_total)
            line = f"messages : {done} sur {total}"
            return found.state == CampaignState.FINISHED, line

        self._follow(step)

    def _follow(self, step: Callable[[], tuple[bool, str]]) -> None:
        """Show a line that changes until the step is done; fail when nothing moves any more."""
        last, moved_at = "", time.monotonic()
        while True:
            done, line = step()
            if line != last:
                last, moved_at = line, time.monotonic()
                ending = "\r" if self.stdout.isatty() and not done else "\n"
                if done or self.stdout.isatty():
                    self._say("  " + line, ending=ending)
            if done:
                return
            if time.monotonic() - moved_at > PATIENCE:
                raise CommandError("Rien n’avance plus : voyez le journal des tâches de fond.")
            time.sleep(0.2)

    def _say(self, line: str, ending: str = "\n") -> None:
        self.stdout.write(line.ljust(70), ending=ending)
        self.stdout.flush()

    def _say_summary(self) -> None:
        insurer = Insurer.objects.get(slug=INSURER_SLUG)
        with row_scope(insurers=[insurer.pk], role="staff", user_id=None):
            campaign = (
                Campaign.objects.select_related("affected_list").filter(insurer=insurer).first()
            )
            if campaign is None:
                raise CommandError("Le premier remplissage a été interrompu : make reset-demo.")
            figures = campaign_figures(campaign)
        self.stdout.write(summary(figures))


def summary(figures: Figures) -> str:
    """Return the line that sums a campaign up: people, messages, and what became of them."""
    messages = figures.messages
    return (
        f"people={figures.listed} messages={figures.messages_total}"
        f" accepted={messages[State.ACCEPTED]} delivered={messages[State.DELIVERED]}"
        f" unreachable={figures.people[Standing.UNREACHABLE]}"
    )


@contextmanager
def _as(cast: Cast, user_id: int) -> Iterator[None]:
    with row_scope(insurers=[cast.insurer.pk], role="staff", user_id=user_id):
        yield


def _approved_campaign(cast: Cast, list_id: int) -> Campaign:
    with _as(cast, cast.preparer.pk):
        affected_list = AffectedList.objects.get(pk=list_id)
        draft = create_notice(
            breach=cast.breach,
            insurer=cast.insurer,
            operators=list(affected_list.operators.all()),
            population=affected_list.population,
            author_id=cast.preparer.pk,
            now=timezone.now(),
        )
        version = save_version(
            notice=draft.notice,
            content=completed(NoticeContent.from_json(draft.content)),
            author_id=cast.preparer.pk,
            now=timezone.now(),
        )
        campaign = submit_campaign(
            version=version,
            affected_list=affected_list,
            channels=(Channel.EMAIL, Channel.SMS),
            submitted_by_id=cast.preparer.pk,
            now=timezone.now(),
        )
    with _as(cast, cast.approver.pk):
        approve_campaign(
            campaign_id=campaign.pk,
            approver_id=cast.approver.pk,
            checked_points=[point.code for point in points_of(campaign.plan["channels"])],
            shared_addresses_confirmed=False,
            now=timezone.now(),
        )
        enqueue(start_campaign, campaign_id=campaign.pk)
    return campaign


def _publish_statement(cast: Cast) -> None:
    """Say on the insurer's page what the notice promises, for those out of reach."""
    with _as(cast, cast.preparer.pk):
        content = draft_of(None, cast.insurer, cast.breach)
        version = save_statement(
            breach=cast.breach,
            insurer=cast.insurer,
            content=replace(content, fr=SAID_IN_FRENCH, en=SAID_IN_ENGLISH),
            author_id=cast.preparer.pk,
            now=timezone.now(),
        )
        waiting = submit_statement(
            version=version, submitted_by_id=cast.preparer.pk, now=timezone.now()
        )
    with _as(cast, cast.approver.pk):
        approve_statement(
            publication_id=waiting.pk, approver_id=cast.approver.pk, now=timezone.now()
        )


SAID_IN_FRENCH = StatementTexts(
    happened="Fin janvier 2024, des comptes de professionnels de santé chez Viamedis, notre"
    " opérateur de tiers payant, ont été détournés. Des données de nos adhérents ont pu être"
    " consultées.",
    measures="L’opérateur a fermé les comptes détournés et renforcé leur accès. Nous avons prévenu"
    " la CNIL et écrit à chaque personne dont nous avons une adresse.",
)
SAID_IN_ENGLISH = StatementTexts(
    happened="At the end of January 2024 accounts of health professionals at Viamedis, our"
    " third-party-payment operator, were hijacked. Data of our members may have been read.",
    measures="The operator closed the hijacked accounts and strengthened access to them. We told"
    " the CNIL and wrote to everybody whose address we have.",
)


def completed(content: NoticeContent) -> NoticeContent:
    """Add what only the insurer can say: consequences, measures, and those out of reach."""
    return replace(
        content,
        unreachable_plan="Les personnes sans adresse utilisable recevront une lettre ; un avis est"
        " aussi publié sur la page de la mutuelle.",
        fr=replace(
            content.fr,
            consequences="Une personne malveillante peut citer ces données pour se faire passer"
            " pour votre mutuelle, la Sécurité sociale ou un professionnel de santé, et vous"
            " soutirer d’autres informations ou de l’argent.",
            measures="L’opérateur a fermé les comptes détournés et renforcé leur accès. Nous avons"
            " prévenu la CNIL. Vos remboursements continuent comme d’habitude.",
        ),
        en=replace(
            content.en,
            consequences="Someone may quote these data to pass for your insurer, the social"
            " security or a health professional, and obtain more information or money from you.",
            measures="The operator closed the hijacked accounts and strengthened access to them. We"
            " told the CNIL. Your refunds go on as usual.",
        ),
    )
