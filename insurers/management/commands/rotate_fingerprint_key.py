"""Rotate the key under which a breach's members are fingerprinted."""

import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

import kombu.exceptions
import redis.exceptions
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from insurers.lists.fingerprint_keys import UnknownKeyVersionError
from insurers.lists.keystore import KeyNotFoundError, WrongKeyError
from insurers.lists.rewriting import TableBusyError
from insurers.lists.rotation import (
    NothingToRotateError,
    WorkersNotReadyError,
    announce_key,
    start_wrapping,
    wrap_breach,
)
from insurers.models import AffectedList, Breach, FingerprintKey, KeyState


class Command(BaseCommand):
    help = "Wrap the fingerprints of a breach under a new key; run again, it goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--breach", required=True, metavar="SLUG")
        parser.add_argument(
            "--wait", type=int, default=60, metavar="SECONDS", help="for all workers to report"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Les clés sont celles du worker : PORTAL_ROLE=worker.")
        breach = Breach.objects.filter(slug=options["breach"]).first()
        if breach is None:
            raise CommandError("Aucune violation de ce nom : vérifiez --breach.")
        try:
            self._rotate(breach, options["wait"])
        except NothingToRotateError as error:
            raise CommandError(
                "Aucune liste de cette violation n’a été lue : rien à faire."
            ) from error
        except (KeyNotFoundError, WrongKeyError, UnknownKeyVersionError) as error:
            raise CommandError(
                f"La clé {error} manque ou ne s’ouvre pas : check_keys dit quoi faire."
            ) from error
        except TableBusyError as error:
            raise CommandError(
                "Une liste reste occupée : relancez, la rotation reprendra là."
            ) from error
        except (kombu.exceptions.OperationalError, redis.exceptions.RedisError) as error:
            raise CommandError(
                "Redis ne répond pas : impossible de demander aux workers."
            ) from error

    def _rotate(self, breach: Breach, seconds: int) -> None:
        key = announce_key(breach=breach, now=timezone.now())
        self.stdout.write(f"Version {key.version} annoncée.")
        self._start(key, seconds)
        if wrap_breach(breach_id=breach.pk, now=timezone.now(), report=self._say):
            self.stdout.write(f"Version {key.version} en vigueur partout.")
            return
        key.refresh_from_db()
        if key.state == KeyState.WRAPPING:
            self.stdout.write("Un worker applique déjà cette version.")

    def _start(self, key: FingerprintKey, seconds: int) -> None:
        deadline = timezone.now() + timedelta(seconds=seconds)
        while True:
            try:
                start_wrapping(key=key, now=timezone.now())
            except WorkersNotReadyError as error:
                if timezone.now() > deadline:
                    raise CommandError(
                        f"Ces workers n’ont pas dit qu’ils ouvrent la nouvelle clé : {error}. "
                        "Donnez-leur le même entrepôt de clés et la même version du portail, "
                        "ou arrêtez-les ; puis relancez. Rien n’a changé."
                    ) from error
                time.sleep(1)
            else:
                return

    def _say(self, affected_list: AffectedList) -> None:
        self.stdout.write(f"liste {affected_list.pk} : {affected_list.members} personnes")
