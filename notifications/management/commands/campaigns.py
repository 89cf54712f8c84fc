from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone, translation

from insurers.numbers import spaced
from notifications.campaigns.course import (
    Point,
    course_of,
    failures_with_examples,
    speed_of,
)
from notifications.campaigns.halt_words import halted_because, told_of_halt
from notifications.campaigns.steps import ENDED
from notifications.models import Campaign
from notifications.register.figures import Figures, campaign_figures
from notifications.states import Standing

WIDTH = 40
HEIGHTS = " ▁▂▃▄▅▆▇█"
BAR = {
    "told": "█",
    "in_progress": "░",
    "unreachable": "×",
    "exempt": "-",
    "told_already": "▓",
    "cancelled": "/",
}


class Command(BaseCommand):
    help = "Print how campaigns go: people, messages, rate, end, failures by reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", nargs="*", type=int, help="numbers; else all that run")
        parser.add_argument("--all", action="store_true", help="those that ended too")

    def handle(self, *args: Any, campaign: list[int], **options: Any) -> None:
        if settings.ROLE == "web":
            raise CommandError("Le web ne voit que ce que voit une personne : PORTAL_ROLE=worker.")
        found = Campaign.objects.select_related("insurer", "affected_list").order_by("pk")
        if campaign:
            found = found.filter(pk__in=campaign)
        elif not options["all"]:
            found = found.exclude(state__in=ENDED)
        campaigns = list(found)
        if campaign and len(campaigns) < len(set(campaign)):
            raise CommandError("Aucune campagne de ce numéro.")
        with translation.override("fr"):
            for one in campaigns:
                self._print(one)
            if not campaigns:
                self.stdout.write("Aucune campagne en cours (--all montre les autres).")

    def _print(self, campaign: Campaign) -> None:
        now = timezone.now()
        figures = campaign_figures(campaign)
        state = campaign.get_state_display()
        self.stdout.write(f"Campagne n° {campaign.pk}, {campaign.insurer.slug} : {state}")
        if because := halted_because(campaign):
            self.stdout.write(f"  {because}")
            self.stdout.write(f"  prévenus par courriel : {', '.join(told_of_halt(campaign))}")
        self.stdout.write(f"  {_bar(figures)} {spaced(figures.listed)} personnes")
        for standing, people in figures.standings:
            if people:
                self.stdout.write(f"  {BAR[standing]} {standing.label} : {spaced(people)}")
        for reason, people in figures.unreachable_reasons:
            self.stdout.write(f"    {reason} : {spaced(people)}")
        if figures.messages_total:
            done, total = spaced(figures.messages_done), spaced(figures.messages_total)
            self.stdout.write(f"  messages traités : {done} sur {total}")
            for message_state, messages in figures.message_states:
                self.stdout.write(f"    {message_state.label} : {spaced(messages)}")
        if line := _course(course_of(campaign=campaign, figures=figures, now=now)):
            self.stdout.write(f"  informées dans le temps : {line}")
        speed = speed_of(campaign=campaign, figures=figures, now=now)
        if speed is not None:
            end = timezone.localtime(speed.end_at) if speed.end_at else None
            at = f", fin vers le {end:%d/%m/%Y à %H:%M}" if end else ""
            self.stdout.write(f"  en ce moment : {speed.per_second:.1f} messages par seconde{at}")
        for failure in failures_with_examples(campaign=campaign):
            self.stdout.write(
                f"  {failure.state.label}, {failure.channel.label}, {failure.reason_label} : "
                f"{spaced(failure.messages)}"
                + (f" (« {failure.example} »)" if failure.example else "")
            )


def _bar(figures: Figures) -> str:
    """Return the standings side by side, WIDTH characters in all."""
    total, drawn, so_far = figures.listed or 1, "", 0
    for standing, people in figures.standings:
        so_far += people
        drawn = drawn.ljust(round(WIDTH * so_far / total), BAR[standing])
    return drawn.ljust(WIDTH, " ")


def _course(points: list[Point]) -> str:
    """Return the share of people told at each moment as a row of bars, with its two ends."""
    if len(points) < 2:
        return ""
    bars = ""
    for point in points:
        total = sum(point.people.values()) or 1
        told = point.people.get(Standing.TOLD, 0)
        bars += HEIGHTS[-(-told * (len(HEIGHTS) - 1) // total)]
    first, last = (timezone.localtime(point.at) for point in (points[0], points[-1]))
    return f"|{bars}| du {first:%d/%m %H:%M} au {last:%d/%m %H:%M}"
