from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model
from django.utils.translation import gettext as _

import insurers
from insurers.directory.file import DirectoryRefused
from insurers.directory.loading import Tally, load_directory

FOLDER = Path(insurers.__file__).parent / "directory" / "data"


class Command(BaseCommand):
    help = "Load the directory's files; change nothing, and say where, if a row is at fault."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dir", type=Path, default=FOLDER, help="the folder of the files")
        parser.add_argument(
            "--prune", action="store_true", help="remove rows that the files no longer hold"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tallies = load_directory(folder=options["dir"], prune=options["prune"])
        except DirectoryRefused as refused:
            for problem in refused.problems:
                self.stderr.write(str(problem))
            message = _("Lignes refusées : %d. Rien n’a été chargé ; corrigez, puis relancez.")
            raise CommandError(message % len(refused.problems)) from None
        for line in _report(tallies):
            self.stdout.write(line)


def _report(tallies: Mapping[type[Model], Tally]) -> Iterator[str]:
    for model, tally in tallies.items():
        yield _(
            "%(kind)s : ajouts %(added)d, changements %(changed)d, inchangés %(unchanged)d, "
            "absents des fichiers %(absent)d, supprimés %(removed)d"
        ) % {
            "kind": str(model._meta.verbose_name_plural),
            "added": tally.added,
            "changed": len(tally.changed),
            "unchanged": tally.unchanged,
            "absent": len(tally.absent),
            "removed": tally.removed,
        }
        for place in tally.changed:
            yield "  ~ " + place
        for label in tally.absent:
            yield "  - " + label
