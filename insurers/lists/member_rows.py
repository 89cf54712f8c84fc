"""Turn a block of cells into members: fingerprints, sealed contacts, and what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import polars as pl
from django.conf import settings

from insurers.lists import common_forms, identifiers, nir, postal
from insurers.lists.byte_columns import cut, spread
from insurers.lists.common_forms import Column, Words
from insurers.lists.contacts import (
    EMAIL_INVALID,
    HAS_POSTAL_ADDRESS,
    PHONE_INVALID,
    ContactSealer,
    encode_column,
)
from insurers.lists.copy_format import MemberColumns, copy_rows
from insurers.lists.fingerprints import (
    FINGERPRINT_BYTES,
    HASH_BYTES,
    AddressFingerprints,
    MemberFingerprints,
    fingerprints_of,
)
from insurers.lists.headers import POSTAL, Layout, field_of
from insurers.lists.identifiers import BadValueError
from insurers.lists.parsing import Cells
from insurers.lists.problems import Field, Problem
from insurers.lists.relationships import DEPENDANT, MEMBER, relationship
from insurers.models import Severity

IDENTIFIER = (Field.MEMBER_NUMBER, Field.BIRTH_DATE, Field.BIRTH_RANK)
"""The fields without which a row is rejected; a bad contact keeps the member."""

NO_ADDRESS = pl.Series([bytes(FINGERPRINT_BYTES)])

CONTACT = (Field.FIRST_NAME, Field.LAST_NAME, Field.EMAIL, Field.PHONE, Field.LANGUAGE)
"""The fields that are sealed, in the order of `Contact`; a postal address comes after them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell or row; a rejected row has no member."""

    row: int
    column: str
    problem: Problem
    severity: Severity


@dataclass
class Taken:
    """What became of a block: members as rows for COPY, rows rejected, faults."""

    members: bytes
    rows: int
    rejected: int
    faults: list[Fault]
    policyholders: int  # rows that say so, those rejected left out
    dependants: int
    counts: dict[str, int]
    """Of members, of those with an e-mail address, a phone, neither: named as in ListBlock."""
    member_hashes: bytes
    """Of each record of the block, as the next ones (`insurers/lists/repeats.py`)."""
    address_hashes: bytes


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
        self._births = common_forms.BirthDates(today, layout.numbers)
        self._ranks = Words(identifiers.birth_rank)
        self._languages = Words(identifiers.language)
        self._relationships = Words(relationship)

    def take(self, cells: Cells, sealer: ContactSealer) -> Taken:
        """Return the members of a block."""
        cells = _without_headers(cells, self._layout)
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
        places = sorted(rejected)
        said = columns[Field.RELATIONSHIP]
        members = self._members_of(rows, columns, rejected, sealer)
        emails, phones = members.emails.bin.size() > 0, members.phones.bin.size() > 0
        addresses = members.emails.zip_with(emails, members.phones.zip_with(phones, NO_ADDRESS))
        records = members.ordinals - cells.first_row
        return Taken(
            members=copy_rows(members, list_id=self._list_id, key_version=self._members.version),
            rows=len(rows) + len(cells.too_many),
            rejected=len(rejected) + len(cells.too_many),
            faults=faults,
            policyholders=_rows_that_say(MEMBER, said, places),
            dependants=_rows_that_say(DEPENDANT, said, places),
            counts={
                "members": len(records),
                "emails": int(emails.sum()),
                "phones": int(phones.sum()),
                "unreachable": len(records) - int((emails | phones).sum()),
            },
            member_hashes=_by_record(members.fingerprints, records, cells.records),
            address_hashes=_by_record(b"".join(addresses.to_list()), records, cells.records),
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
            Field.RELATIONSHIP: self._relationships.column,
        }
        nothing = pl.repeat("", len(cells.rows), dtype=pl.String, eager=True)
        for field, rule in rules.items():
            place = self._layout.columns.get(field)
            found[field] = Column(nothing) if place is None else rule(cells.columns[place])
        if Field.ADDRESS in self._layout.columns:
            found[Field.ADDRESS] = self._addresses_of(cells, found)
        return found

    def _addresses_of(self, cells: Cells, found: dict[Field, Column]) -> Column:
        places = self._layout.columns
        return postal.postal_addresses(
            {field: cells.columns[places[field]] for field in POSTAL if field in places},
            names=found[Field.FIRST_NAME].values + found[Field.LAST_NAME].values,
            refuses_nir=self._refuses_nir,
        )

    def _member_number(self, text: str) -> str:
        if self._refuses_nir and nir.has_valid_key(text):
            raise BadValueError(Problem.MEMBER_NUMBER_NIR)
        number = identifiers.member_number(text)
        if self._refuses_nir and nir.has_valid_key(number):  # In other digits.
            raise BadValueError(Problem.MEMBER_NUMBER_NIR)
        return number

    def _names(self, column: pl.Series) -> Column:
        return common_forms.names(column, self._name)

    def _name(self, text: str) -> str:
        if self._refuses_nir and nir.holds_one(text):
            raise BadValueError(Problem.NAME_NIR)
        return identifiers.name(text)

    def _members_of(
        self,
        rows: list[int],
        columns: dict[Field, Column],
        rejected: set[int],
        sealer: ContactSealer,
    ) -> MemberColumns:
        """Return the members of the rows that are not rejected."""
        values = {field: column.values for field, column in columns.items()}
        ordinals = pl.Series(rows, dtype=pl.Int32)
        flags = _flags(len(rows), EMAIL_INVALID, list(columns[Field.EMAIL].bad))
        flags |= _flags(len(rows), PHONE_INVALID, list(columns[Field.PHONE].bad))
        if Field.ADDRESS in values:
            given = (values[Field.ADDRESS] != "").arg_true()
            flags |= _flags(len(rows), HAS_POSTAL_ADDRESS, given)
        if rejected:
            kept = pl.repeat(True, len(rows), eager=True).scatter(list(rejected), False)
            values = {field: series.filter(kept) for field, series in values.items()}
            ordinals, flags = ordinals.filter(kept), flags.filter(kept)
        return self._by_column(ordinals, flags, values, sealer)

    def _by_column(
        self,
        ordinals: pl.Series,
        flags: pl.Series,
        values: dict[Field, pl.Series],
        sealer: ContactSealer,
    ) -> MemberColumns:
        codes = self._members.codes(
            values[Field.MEMBER_NUMBER], values[Field.BIRTH_DATE], values[Field.BIRTH_RANK]
        )
        contacts = encode_column(
            *(values[field] for field in CONTACT), addresses=values.get(Field.ADDRESS)
        )
        return MemberColumns(
            ordinals=ordinals,
            flags=flags,
            tags=self._members.name_tags(codes, values[Field.FIRST_NAME], values[Field.LAST_NAME]),
            fingerprints=self._members.wrap(fingerprints_of(codes)),
            emails=self._addresses.emails(values[Field.EMAIL].str.to_lowercase()),
            phones=self._addresses.phones(values[Field.PHONE]),
            contacts=sealer.seal_column(ordinals, contacts),
            contact_number=sealer.number,
        )


def _without_headers(cells: Cells, layout: Layout) -> Cells:
    """Pass over the header where it stands again, as in files that were put together.

    It is no row: rejected, it would be somebody who is never told.
    """
    place = layout.columns[Field.BIRTH_DATE]
    numbers = cells.columns[layout.columns[Field.MEMBER_NUMBER]]
    words = cells.columns[place].str.contains(r"^\D+$")
    headers = [
        row
        for row in words.arg_true().to_list()
        if field_of(cells.columns[place][row]) == Field.BIRTH_DATE
        and field_of(numbers[row]) == Field.MEMBER_NUMBER
    ]
    if not headers:
        return cells
    kept = pl.repeat(True, len(cells.rows), eager=True).scatter(headers, False)
    return replace(
        cells,
        columns=[column.filter(kept) for column in cells.columns],
        rows=[cells.rows[row] for row in kept.arg_true()],
    )


def _flags(rows: int, flag: int, places: list[int] | pl.Series) -> pl.Series:
    """Return a column with a flag at these places."""
    return pl.repeat(0, rows, dtype=pl.UInt8, eager=True).scatter(places, flag)


def _by_record(fingerprints: bytes, records: pl.Series, count: int) -> bytes:
    """Return the beginnings of fingerprints, by record of the block, zeros where there is none."""
    hashes = cut(fingerprints, width=FINGERPRINT_BYTES, start=0, stop=HASH_BYTES)
    return spread(hashes, records, width=HASH_BYTES, count=count)


def _rows_that_say(meaning: str, column: Column, rejected: list[int]) -> int:
    said = column.values == meaning
    return int(said.sum()) - int(said.gather(rejected).sum())
