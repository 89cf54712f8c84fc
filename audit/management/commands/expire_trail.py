"""Drop the months of the trail that are over (owner role), once the worker has signed for them."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.expiry import CheckpointRefused, drop_expired
from audit.management.commands.verify_trail import keys_from


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--key",
            nargs="+",
            required=True,
            help="fingerprint of each key that signed, or its PEM file",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "owner":
            raise CommandError("The owner role alone drops entries: PORTAL_ROLE=owner.")
        try:
            dropped = drop_expired(fingerprints=keys_from(options["key"]), now=timezone.now())
        except CheckpointRefused as error:
            raise CommandError(
                f"{error}: the checkpoint and the trail differ, another key signed it,"
                " or its months are not over. Nothing was dropped."
                " Run verify_trail --against first.",
                returncode=2,
            ) from error
        for scope, entries in dropped.items():
            self.stdout.write(f"{scope}: {entries} entries dropped")
        if not dropped:
            self.stdout.write("Nothing to drop: the worker has signed no month that is over.")
