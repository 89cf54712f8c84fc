"""The same file read as a team would first write it, in the same run."""

import csv
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import say
from benchmarks.members import write_members
from benchmarks.stage import Stage

if TYPE_CHECKING:
    import tablib

ROWS = 100_000


def measure(stage: Stage, rate: float) -> None:
    """Say how often faster the portal reads than each of them; all read `ROWS` rows."""
    file = stage.folder / "peers.csv"
    write_members(file, rows=ROWS)
    for name, peer, target in (
        ("against bulk_create", _bulk_create, 10),
        ("against django-import-export", _import_export, 50),
        ("against django-import-export, use_bulk, finding nothing", _import_export_in_bulk, None),
        ("against csv.DictReader that validates only", _validate_only, 1),
    ):
        started = time.monotonic()
        _with_plain_table(stage, file, peer)
        say(name, rate, "rows/s", peer=ROWS / (time.monotonic() - started), target=target)


def _with_plain_table(stage: Stage, file: Path, peer: Callable[[Path], None]) -> None:
    with stage.superuser() as conn:
        conn.execute("DROP TABLE IF EXISTS plain_member")
        conn.execute(
            "CREATE TABLE plain_member (id bigserial PRIMARY KEY, fingerprint uuid NOT NULL,"
            " email_fingerprint uuid, phone_fingerprint uuid, contact bytea)"
        )
        conn.execute("CREATE INDEX ON plain_member (fingerprint)")
        conn.execute("GRANT ALL ON plain_member, plain_member_id_seq TO breachportal_worker")
    peer(file)


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text, delimiter=";")


def _normalised(row: dict[str, str]) -> tuple[str, str, str, str] | None:
    from insurers.lists import identifiers
    from insurers.lists.identifiers import BadValueError

    try:
        return (
            identifiers.member_number(row["Numéro adhérent"]),
            identifiers.birth_date(row["Date de naissance"], date(2026, 1, 1)),
            identifiers.email(row["Courriel"]),
            identifiers.mobile_phone(row["Mobile"]),
        )
    except BadValueError:
        return None


def _validate_only(file: Path) -> None:
    for row in _rows(file):
        _normalised(row)


def _hashes(values: tuple[str, str, str, str]) -> dict[str, object]:
    import hmac
    import os
    from uuid import UUID

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = b"k" * 32
    number, born, email, phone = values

    def stands_for(text: str) -> UUID | None:
        return UUID(bytes=hmac.digest(key, text.encode(), "sha256")[:16]) if text else None

    nonce = os.urandom(12)
    return {
        "fingerprint": stands_for(f"{number}|{born}"),
        "email_fingerprint": stands_for(email),
        "phone_fingerprint": stands_for(phone),
        "contact": nonce + AESGCM(key).encrypt(nonce, f"{email}|{phone}".encode(), None),
    }


def _bulk_create(file: Path) -> None:
    from benchmarks.plain import PlainMember

    some: list[PlainMember] = []
    for row in _rows(file):
        if values := _normalised(row):
            some.append(PlainMember(**_hashes(values)))
        if len(some) == 5000:
            PlainMember._default_manager.bulk_create(some)
            some.clear()
    PlainMember._default_manager.bulk_create(some)


def _hashed(row: dict[str, str]) -> dict[str, object]:
    values = _normalised(row)
    return _hashes(values) if values else {}


def _dataset(file: Path) -> "tablib.Dataset":
    import tablib

    with file.open(encoding="utf-8", newline="") as text:
        return tablib.Dataset().load(text.read(), format="csv", delimiter=";")


def _import_export(file: Path) -> None:
    """As its documentation begins: a row is looked for, and made or changed."""
    from import_export import resources

    from benchmarks.plain import PlainMember

    class MemberResource(resources.ModelResource):  # type: ignore[misc]
        class Meta:
            model = PlainMember
            import_id_fields = ("fingerprint",)
            exclude = ("id", "contact")  # It knows no column of bytes.

        def before_import(self, dataset: "tablib.Dataset", **_options: object) -> None:
            dataset.headers.append("fingerprint")  # It asks for the column by its name.

        def before_import_row(self, row: dict[str, Any], **_options: object) -> None:
            row |= _hashed(row)

        def before_save_instance(
            self, instance: PlainMember, row: dict[str, bytes], **_options: object
        ) -> None:
            instance.contact = row["contact"]

        def skip_row(self, instance: object, original: object, row: object, *_args: object) -> bool:
            return getattr(instance, "fingerprint", None) is None

    MemberResource().import_data(_dataset(file), dry_run=False, raise_errors=True)


def _import_export_in_bulk(file: Path) -> None:
    """As fast as it goes: rows are made by the thousand, and none is looked for."""
    from import_export import resources

    from benchmarks.plain import PlainMember

    class MemberResource(resources.ModelResource):  # type: ignore[misc]
        class Meta:
            model = PlainMember
            import_id_fields = ()
            fields = ("id",)
            use_bulk = True
            batch_size = 5000
            skip_diff = True

        def import_instance(
            self, instance: object, row: dict[str, str], **_options: object
        ) -> None:
            for name, value in _hashed(row).items():
                setattr(instance, name, value)

        def skip_row(self, instance: object, *_args: object, **_options: object) -> bool:
            return getattr(instance, "fingerprint", None) is None

    MemberResource().import_data(_dataset(file), dry_run=False, raise_errors=True)
