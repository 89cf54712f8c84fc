"""Turn a block of cells into members: fingerprints, sealed contacts, and what is wrong."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl
from django.conf import settings

from insurers.lists import common_forms, identifiers, nir
from insurers.lists.common_forms import Column, Words
from insurers.lists.contacts import (
    EMAIL_INVALID,
    NOTHING,
    PHONE_INVALID,
    ContactSealer,
    encode_column,
)
from insurers.lists.fingerprints import KEY_VERSION, AddressFingerprints, MemberFingerprints
from insurers.lists.headers import Layout
from insurers.lists.identifiers import BadValueError
from insurers.lists.parsing import Cells
from insurers.lists.problems import Field, Problem
from insurers.models import Severity

COPY_COLUMNS = (
    "list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,"
    " email_fingerprint, phone_fingerprint, contact"
)
COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
# Nine fields, each after its length in bytes; -1 says NULL (PostgreSQL, COPY, binary format).
_ROW_START = struct.Struct(">hii")
_ROW = struct.Struct(">iiihihiii16s")
_LENGTH = struct.Struct(">i")
_UUID_LENGTH = (16).to_bytes(4, "big")
_NULL = (-1).to_bytes(4, "big", signed=True)

IDENTIFIER = (Field.MEMBER_NUMBER, Field.BIRTH_DATE, Field.BIRTH_RANK)
"""The fields without which a row is rejected; a bad contact keeps the member."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell or row; a rejected row has no member."""

    row: int
    column: str
    problem: Problem
    severity: Severity


@dataclass
class Taken:
    """What became of a block: members in COPY's binary format, rows rejected, faults."""

    members: list[bytes]
    rows: int
    rejected: int
    faults: list[Fault]


class MemberRows:
    """Takes the blocks of one list; a worker keeps it, for what it remembers."""

    def __init__(
        self,
        *,
        list_id: int,
        layout: Layout,
        today: date,
        members: MemberFingerprints,
        addresses: AddressFingerprints,
    ) -> None:
        self._list_id = list_id
        self._layout = layout
        self._members = members
        self._addresses = addresses
        self._refuses_nir = not settings.NIR_ALLOWED
        self._births = common_forms.birth_dates(today)
        self._ranks = Words(identifiers.birth_rank)
        self._languages = Words(identifiers.language)

    def take(self, cells: Cells, sealer: ContactSealer) -> Taken:
        """Return the members of a block."""
        rows = cells.rows
        columns = self._normalised(cells)
        faults = [
            Fault(row, "", Problem.TOO_MANY_CELLS, Severity.REJECTED) for row in cells.too_many
        ]
        rejected: set[int] = set()
        for field, column in columns.items():
            severity = Severity.REJECTED if field in IDENTIFIER else Severity.WARNING
            faults += [
                Fault(rows[place], field.value, problem, severity)
                for place, problem in column.bad.items()
            ]
            if severity == Severity.REJECTED:
                rejected.update(column.bad)
        if rejected:
            gone = {rows[place] for place in rejected}
            # Of a rejected row, only what rejects it is worth a line.
            faults = [f for f in faults if f.row not in gone or f.severity == Severity.REJECTED]
        faults.sort(key=lambda fault: fault.row)
        return Taken(
            members=self._packed(rows, columns, rejected, sealer),
            rows=len(rows) + len(cells.too_many),
            rejected=len(rejected) + len(cells.too_many),
            faults=faults,
        )

    def _normalised(self, cells: Cells) -> dict[Field, Column]:
        found: dict[Field, Column] = {}
        rules: dict[Field, Callable[[pl.Series], Column]] = {
            Field.MEMBER_NUMBER: lambda column: common_forms.member_numbers(
                column, self._member_number
            ),
            Field.BIRTH_DATE: self._births.column,
            Field.BIRTH_RANK: self._ranks.column,
            Field.FIRST_NAME: self._names,
            Field.LAST_NAME: self._names,
            Field.EMAIL: common_forms.emails,
            Field.PHONE: common_forms.mobile_phones,
            Field.LANGUAGE: self._languages.column,
        }
        nothing = pl.repeat("", len(cells.rows), dtype=pl.String, eager=True)
        for field, rule in rules.items():
            place = self._layout.columns.get(field)
            found[field] = Column(nothing) if place is None else rule(cells.columns[place])
        return found

    def _member_number(self, text: str) -> str:
        if self._refuses_nir and nir.has_valid_key(text):
            raise BadValueError(Problem.MEMBER_NUMBER_NIR)
        return identifiers.member_number(text)

    def _names(self, column: pl.Series) -> Column:
        return common_forms.names(column, self._name)

    def _name(self, text: str) -> str:
        if self._refuses_nir and nir.has_valid_key(text):
            raise BadValueError(Problem.NAME_NIR)
        return identifiers.name(text)

    def _packed(
        self,
        rows: list[int],
        columns: dict[Field, Column],
        rejected: set[int],
        sealer: ContactSealer,
    ) -> list[bytes]:
        values = {field: column.values for field, column in columns.items()}
        names = common_forms.same_names(values[Field.FIRST_NAME], values[Field.LAST_NAME])
        contacts = encode_column(
            *(
                values[field]
                for field in (
                    Field.FIRST_NAME,
                    Field.LAST_NAME,
                    Field.EMAIL,
                    Field.PHONE,
                    Field.LANGUAGE,
                )
            )
        )
        flags = dict.fromkeys(columns[Field.EMAIL].bad, EMAIL_INVALID)
        for place in columns[Field.PHONE].bad:
            flags[place] = flags.get(place, 0) | PHONE_INVALID
        fingerprints = self._members.members(
            values[Field.MEMBER_NUMBER], values[Field.BIRTH_DATE], values[Field.BIRTH_RANK]
        )
        tags = self._members.name_tags(fingerprints, names)
        emails = self._addresses.emails(
            values[Field.EMAIL].str.to_lowercase().cast(pl.Binary).to_list()
        )
        phones = self._addresses.phones(values[Field.PHONE].cast(pl.Binary).to_list())
        seal, number, pack = sealer.encrypt, sealer.number, _ROW.pack
        start, pack_length = _ROW_START.pack(9, 4, self._list_id), _LENGTH.pack
        packed: list[bytes] = []
        append = packed.append
        # From here on, millions of times: each call counts.
        for place, (row, fingerprint, tag, email, phone, contact) in enumerate(
            zip(rows, fingerprints, tags, emails, phones, contacts, strict=True)
        ):
            if place in rejected:
                continue
            flag = flags.get(place, 0) if flags else 0
            member = start + pack(4, row, 2, KEY_VERSION, 2, flag, 4, tag, 16, fingerprint)
            member += _UUID_LENGTH + email if email else _NULL
            member += _UUID_LENGTH + phone if phone else _NULL
            if contact == NOTHING:
                append(member + _NULL)
                continue
            sealed = seal(number + row.to_bytes(11, "big"), contact, None)
            append(member + pack_length(len(sealed) + 1) + number + sealed)
        return packed
