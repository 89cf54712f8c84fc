"""Turn a row of cells into a member: fingerprints, a sealed contact, and what is wrong."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from django.conf import settings

from insurers.lists import identifiers, nir
from insurers.lists.contacts import EMAIL_INVALID, PHONE_INVALID, Contact, encode
from insurers.lists.fingerprints import KEY_VERSION, AddressFingerprints, MemberFingerprints
from insurers.lists.headers import Layout
from insurers.lists.identifiers import BadValueError
from insurers.lists.problems import Field, Problem
from insurers.lists.sealing import ListSealer
from insurers.models import Severity

COPY_COLUMNS = (
    "list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,"
    " email_fingerprint, phone_fingerprint, contact"
)
COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
# Nine fields, each after its length in bytes; -1 says NULL (PostgreSQL, COPY, binary format).
_ROW_START = struct.Struct(">hiiiiihihiii16s")
_UUID_LENGTH = (16).to_bytes(4, "big")
_NULL = (-1).to_bytes(4, "big", signed=True)

NOTHING = Contact()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell or row; a rejected row has no member."""

    row: int
    column: str
    problem: Problem
    severity: Severity


class _Column(NamedTuple):
    """Where a field stands, how it is normalised, and what a bad value costs."""

    place: int
    field: Field
    normalise: Callable[[str], str]
    severity: Severity


class MemberRows:
    """Takes the rows of one reading of one list."""

    def __init__(
        self,
        *,
        list_id: int,
        layout: Layout,
        today: date,
        members: MemberFingerprints,
        addresses: AddressFingerprints,
        sealer: ListSealer,
    ) -> None:
        self._list_id = list_id
        self._layout = layout
        self._today = today
        self._members = members
        self._addresses = addresses
        self._sealer = sealer
        self._refuses_nir = not settings.NIR_ALLOWED
        self._number = self._needed(Field.MEMBER_NUMBER, self._member_number)
        self._born = self._needed(Field.BIRTH_DATE, self._birth_date)
        self._rank = self._needed(Field.BIRTH_RANK, identifiers.birth_rank)
        self._first_name = self._wanted(Field.FIRST_NAME, self._name)
        self._last_name = self._wanted(Field.LAST_NAME, self._name)
        self._email = self._wanted(Field.EMAIL, identifiers.email)
        self._phone = self._wanted(Field.PHONE, identifiers.mobile_phone)
        self._language = self._wanted(Field.LANGUAGE, identifiers.language)

    def take(self, row: int, cells: list[str]) -> tuple[bytes | None, list[Fault]]:
        """Return a member in COPY's binary format, or None where the row is rejected; and why."""
        faults: list[Fault] = []
        missing = self._layout.width - len(cells)
        if missing > 0:
            # Spreadsheets leave out the empty cells at the end of a row.
            cells += [""] * missing
        elif missing < 0 and any(cells[missing:]):
            return None, [Fault(row, "", Problem.TOO_MANY_CELLS, Severity.REJECTED)]
        number = _value(self._number, row, cells, faults)
        born = _value(self._born, row, cells, faults)
        rank = _value(self._rank, row, cells, faults)
        if number is None or born is None or rank is None:
            return None, faults
        email = _value(self._email, row, cells, faults)
        phone = _value(self._phone, row, cells, faults)
        contact = Contact(
            _value(self._first_name, row, cells, faults) or "",
            _value(self._last_name, row, cells, faults) or "",
            email or "",
            phone or "",
            _value(self._language, row, cells, faults) or "",
        )
        flags = (email is None and EMAIL_INVALID) | (phone is None and PHONE_INVALID)
        return self._packed(row, self._members.member(number, born, rank), contact, flags), faults

    def _needed(self, field: Field, normalise: Callable[[str], str]) -> _Column | None:
        """Describe a part of the identifier: without it the row is rejected."""
        return self._column(field, normalise, Severity.REJECTED)

    def _wanted(self, field: Field, normalise: Callable[[str], str]) -> _Column | None:
        """Describe a part of the contact: the member is kept without it."""
        return self._column(field, normalise, Severity.WARNING)

    def _column(
        self, field: Field, normalise: Callable[[str], str], severity: Severity
    ) -> _Column | None:
        place = self._layout.columns.get(field)
        return None if place is None else _Column(place, field, normalise, severity)

    def _member_number(self, text: str) -> str:
        if self._refuses_nir and nir.has_valid_key(text):
            raise BadValueError(Problem.MEMBER_NUMBER_NIR)
        return identifiers.member_number(text)

    def _birth_date(self, text: str) -> str:
        return identifiers.birth_date(text, self._today)

    def _name(self, text: str) -> str:
        if self._refuses_nir and nir.has_valid_key(text):
            raise BadValueError(Problem.NAME_NIR)
        return identifiers.name(text)

    def _packed(self, row: int, fingerprint: bytes, contact: Contact, flags: int) -> bytes:
        name = identifiers.same_name(contact.first_name, contact.last_name)
        tag = self._members.name_tag(fingerprint, name)
        packed = _ROW_START.pack(
            *(9, 4, self._list_id, 4, row, 2, KEY_VERSION, 2, flags, 4, tag, 16, fingerprint)
        )
        email, phone, sealed = _NULL, _NULL, _NULL
        if contact.email:
            email = _UUID_LENGTH + self._addresses.email(contact.email)
        if contact.phone:
            phone = _UUID_LENGTH + self._addresses.phone(contact.phone)
        if contact != NOTHING:
            content = self._sealer.seal(row, encode(contact))
            sealed = len(content).to_bytes(4, "big") + content
        return packed + email + phone + sealed


def _value(column: _Column | None, row: int, cells: list[str], faults: list[Fault]) -> str | None:
    """Return the normalised cell ("" for an absent column), or None with a fault noted."""
    if column is None:
        return ""
    try:
        return column.normalise(cells[column.place])
    except BadValueError as error:
        faults.append(Fault(row, column.field.value, error.problem, column.severity))
        return None
