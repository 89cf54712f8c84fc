import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.checking import faults_of_trail, signed_away
from audit.heads import Comparison, UntrustedHeadsError, key_fingerprint, read_signed
from audit.models import AuditEntry
from audit.trail import scopes

CHANGED = "The trail was changed behind the portal's back."


class Command(BaseCommand):
    help = (
        "Check every chain of the trail; exit other than 0 and name the first bad entry. Without"
        " --against nothing but the database itself is asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--against",
            nargs="+",
            type=Path,
            default=[],
            metavar="HEAD_FILE",
            help="signed files of heads, or folders of them, kept elsewhere",
        )
        parser.add_argument(
            "--key",
            nargs="+",
            default=[],
            help="fingerprint of each key that signed (64 hexadecimal digits), or its PEM file;"
            " obtained elsewhere than from this server",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        checked = scopes()
        comparison, files, keys = None, 0, set[str]()
        if options["against"]:
            keys = keys_from(options["key"])
            comparison, files = self._compared(options["against"], keys)
        faults = faults_of_trail(comparison, fingerprints=keys)
        for fault in faults.values():
            self.stderr.write(f"{fault.scope}: entry {fault.sequence}: {fault.reason}")
        if faults:
            raise CommandError(CHANGED, returncode=2)
        total = AuditEntry.objects.count()
        self.stdout.write(f"{total} entries in {len(checked)} chains: nothing was changed.")
        if files:
            self.stdout.write(f"{files} signed files of heads agree.")

    def _compared(self, paths: list[Path], keys: set[str]) -> tuple[Comparison, int]:
        """Compare with each file, the oldest first; warn of files that are missing between."""
        comparison, files, before = Comparison(signed_away(keys)), 0, 0
        for path in _files(paths):
            try:
                signed = read_signed(path.read_bytes(), fingerprints=keys)
            except UntrustedHeadsError as error:
                raise CommandError(f"{path.name}: {error}", returncode=3) from error
            except OSError as error:
                raise CommandError(f"{path.name}: {error.strerror}", returncode=3) from error
            if before and signed.number > before + 1:
                self.stderr.write(f"{path.name}: files {before + 1} to {signed.number - 1} missing")
            comparison.add(signed)
            files, before = files + 1, signed.number
        if not files:
            raise CommandError("There is no file of heads there.", returncode=3)
        return comparison, files


def _files(paths: list[Path]) -> Iterator[Path]:
    """Yield files of heads by name, which begins with their number."""
    found = [one for path in paths for one in (path.glob("*.heads") if path.is_dir() else [path])]
    try:
        yield from sorted(found, key=lambda path: path.name)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", returncode=3) from error


def keys_from(given: list[str]) -> set[str]:
    """Return the fingerprints that an option gives, each itself or as a PEM file."""
    if not given:
        raise CommandError("--against needs --key: a signature is worth what its key is.")
    return {_fingerprint(key) for key in given}


def _fingerprint(key: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", bare := re.sub(r"[\s:]", "", key)):
        return bare.lower()
    try:
        public = load_pem_public_key(Path(key).read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError("--key is neither a fingerprint nor a public key in PEM.") from error
    if not isinstance(public, Ed25519PublicKey):
        raise CommandError("--key is no Ed25519 key.")
    return key_fingerprint(public)
