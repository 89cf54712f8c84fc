"""Replace the sealing key pair, in three steps (docs/security.md)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from insurers.lists.keystore import WrongKeyError
from insurers.lists.resealing import reseal, sealed_to_previous, write_new_pair
from insurers.lists.sealing import DamagedError


class Command(BaseCommand):
    help = "Seal every key to the present public key; --verify says when the previous may go."

    def add_arguments(self, parser: ArgumentParser) -> None:
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--make", type=Path, metavar="FOLDER", help="write a new pair there")
        step.add_argument("--verify", action="store_true", help="change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Les clés sont celles du worker : PORTAL_ROLE=worker.")
        if options["make"]:
            self._make(options["make"])
            return
        if not options["verify"]:
            try:
                done = reseal()
                self.stdout.write(f"Scellées à nouveau : {done.keys} clés, {done.rows} lignes.")
            except DamagedError as error:
                raise CommandError(
                    "Une ligne de la base ne s’ouvre ni avec SEALING_PRIVATE_KEY ni avec "
                    "SEALING_PRIVATE_KEY_PREVIOUS : donnez l’ancienne clé privée, puis relancez."
                ) from error
            except WrongKeyError as error:
                raise CommandError(
                    f"La clé {error} ne s’ouvre ni avec SEALING_PRIVATE_KEY ni avec "
                    "SEALING_PRIVATE_KEY_PREVIOUS : donnez l’ancienne clé privée, puis relancez."
                ) from error
        self._verify()

    def _make(self, folder: Path) -> None:
        try:
            write_new_pair(folder)
        except FileExistsError as error:
            raise CommandError(
                "Ce dossier contient déjà une paire : choisissez-en un autre."
            ) from error
        self.stdout.write(
            "Paire écrite. Arrêtez les workers ; relancez-les avec la nouvelle paire "
            "(SEALING_PRIVATE_KEY_FILE, SEALING_PUBLIC_KEY_FILE) et la clé privée actuelle dans "
            "SEALING_PRIVATE_KEY_PREVIOUS. Donnez ensuite la nouvelle clé publique aux processus "
            "web, puis lancez rotate_sealing_key avec les réglages des workers."
        )

    def _verify(self) -> None:
        remains = sealed_to_previous()
        if remains.is_nothing:
            self.stdout.write(
                "Rien ne demande plus l’ancienne clé privée. Si tous les processus web ont la "
                "nouvelle clé publique, détruisez l’ancienne clé et retirez "
                "SEALING_PRIVATE_KEY_PREVIOUS."
            )
            return
        raise CommandError(
            f"{remains.keys} clés, {remains.upload_pieces} morceaux d’envois et {remains.rows} "
            "lignes de la base demandent encore l’ancienne clé privée : gardez-la. Les envois "
            "s’effacent une fois leur liste décidée, les questions et les accusés en "
            "quelques minutes ; relancez alors avec --verify.",
            returncode=2,
        )
