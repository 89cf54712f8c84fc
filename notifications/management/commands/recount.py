"""`manage.py recount`: every figure again from the delivery events; exit 1 on a difference."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from notifications.register.recount import KEPT, recount


class Command(BaseCommand):
    """Print what differs, by insurer and campaign. Runs as the worker, which reads the events."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        result = recount(now=timezone.now())
        for one in result.found.select_related("breach", "insurer"):
            place = f"{one.breach.slug} {one.insurer.slug} campaign={one.campaign_id or '-'}"
            what = f"{one.kind} {one.channel or '-'} {one.state or '-'} {one.reason or '-'}"
            self.stdout.write(
                f"{place} {what}: recounted {one.recounted_people} people"
                f" {one.recounted_messages} messages, kept {one.kept_people} people"
                f" {one.kept_messages} messages"
            )
        if result.differences > KEPT:
            self.stdout.write(f"… and {result.differences - KEPT} more")
        self.stdout.write(
            f"{result.events} events, {result.lines} lines, {result.differences} differences"
        )
        if result.differences:
            sys.exit(1)
