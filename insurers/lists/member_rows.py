"""Turn a block of cells into members: fingerprints, sealed contacts, and what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from django.conf import settings
from numpy.typing import NDArray

from insurers.lists import common_forms, identifiers, nir, postal
from insurers.lists.common_forms import Column, Words
from insurers.lists.contacts import (
    EMAIL_INVALID,
    HAS_POSTAL_ADDRESS,
    PHONE_INVALID,
    ContactSealer,
    encode_column,
)
from insurers.lists.copy_format import MemberColumns, sealed_rows
from insurers.lists.fingerprints import (
    HASH,
    AddressFingerprints,
    MemberFingerprints,
    fingerprints_of,
    hashes_of,
)
from insurers.lists.headers import POSTAL, Layout, field_of, is_total
from insurers.lists.identifiers import BadValueError
from insurers.lists.parsing import Cells
from insurers.lists.problems import Field, Problem
from insurers.lists.relationships import DEPENDANT, MEMBER, relationship
from insurers.models import Severity

IDENTIFIER = (Field.MEMBER_NUMBER, Field.BIRTH_DATE, Field.BIRTH_RANK)
"""The fields without which a row is rejected; a bad contact keeps the member."""

_HEADER = (Field.BIRTH_DATE, Field.MEMBER_NUMBER)

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

    members: memoryview
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
        cells, totals = _of_people(cells, self._layout)
        rows = cells.rows
        columns = self._normalised(cells)
        faults = [
            Fault(row, "", Problem.TOO_MANY_CELLS, Severity.REJECTED) for row in cells.too_many
        ]
        faults += [Fault(row, "", Problem.TOTAL, Severity.WARNING) for row in totals]
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
        members, contacts = self._members_of(rows, columns, rejected)
        emails, phones = members.emails, members.phones
        reachable = emails.given | phones.given
        addresses = np.zeros(len(reachable), HASH)
        addresses[phones.given] = hashes_of(phones.fingerprints)
        addresses[emails.given] = hashes_of(emails.fingerprints)
        records = members.ordinals - cells.first_row
        return Taken(
            members=sealed_rows(
                members,
                contacts,
                sealer,
                list_id=self._list_id,
                key_version=self._members.version,
            ),
            rows=len(rows) + len(cells.too_many),
            rejected=len(rejected) + len(cells.too_many),
            faults=faults,
            policyholders=_rows_that_say(MEMBER, said, places),
            dependants=_rows_that_say(DEPENDANT, said, places),
            counts={
                "members": len(records),
                "emails": int(emails.given.sum()),
                "phones": int(phones.given.sum()),
                "unreachable": len(records) - int(reachable.sum()),
            },
            member_hashes=_by_record(hashes_of(members.fingerprints), records, cells.records),
            address_hashes=_by_record(addresses, records, cells.records),
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
        self, rows: list[int], columns: dict[Field, Column], rejected: set[int]
    ) -> tuple[MemberColumns, pl.Series]:
        """Return the members of the rows that are not rejected, and how they can be reached."""
        values = {field: column.values for field, column in columns.items()}
        ordinals = np.array(rows, np.int32)
        flags = np.zeros(len(rows), np.uint8)
        flags[list(columns[Field.EMAIL].bad)] |= EMAIL_INVALID
        flags[list(columns[Field.PHONE].bad)] |= PHONE_INVALID
        if Field.ADDRESS in values:
            flags[(values[Field.ADDRESS] != "").to_numpy()] |= HAS_POSTAL_ADDRESS
        if rejected:
            kept = np.ones(len(rows), np.bool)
            kept[list(rejected)] = False
            values = {field: series.filter(kept) for field, series in values.items()}
            ordinals, flags = ordinals[kept], flags[kept]
        contacts = encode_column(
            *(values[field] for field in CONTACT), addresses=values.get(Field.ADDRESS)
        )
        return self._by_column(ordinals, flags, values), contacts

    def _by_column(
        self,
        ordinals: NDArray[np.int32],
        flags: NDArray[np.uint8],
        values: dict[Field, pl.Series],
    ) -> MemberColumns:
        codes = self._members.codes(
            values[Field.MEMBER_NUMBER], values[Field.BIRTH_DATE], values[Field.BIRTH_RANK]
        )
        return MemberColumns(
            ordinals=ordinals,
            flags=flags,
            tags=self._members.name_tags(codes, values[Field.FIRST_NAME], values[Field.LAST_NAME]),
            fingerprints=self._members.wrap(fingerprints_of(codes)),
            emails=self._addresses.emails(values[Field.EMAIL].str.to_lowercase()),
            phones=self._addresses.phones(values[Field.PHONE]),
        )


def _of_people(cells: Cells, layout: Layout) -> tuple[Cells, list[int]]:
    """Return the rows that may be somebody's, and the numbers of those that are totals.

    Where files were put together their header stands again; programs add a line of totals.
    Rejected, either would be somebody who is never told.
    """
    place = layout.columns[Field.MEMBER_NUMBER]
    numbers, births = cells.columns[place], cells.columns[layout.columns[Field.BIRTH_DATE]]
    headers, totals = [], []
    for row in (~births.str.contains("[0-9]")).arg_true():
        if is_total([column[row] for column in cells.columns], place):
            totals.append(row)
        elif (field_of(births[row]), field_of(numbers[row])) == _HEADER:
            headers.append(row)
    if not headers and not totals:
        return cells, []
    kept = pl.repeat(True, len(cells.rows), eager=True).scatter(headers + totals, False)
    of_people = replace(
        cells,
        columns=[column.filter(kept) for column in cells.columns],
        rows=[cells.rows[row] for row in kept.arg_true()],
    )
    return of_people, [cells.rows[row] for row in totals]


def _by_record(hashes: NDArray[Any], records: NDArray[np.int32], count: int) -> bytes:
    """Return hashes by record of the block, zeros where there is none."""
    found = np.zeros(count, HASH)
    found[records] = hashes
    return found.tobytes()


def _rows_that_say(meaning: str, column: Column, rejected: list[int]) -> int:
    said = column.values == meaning
    return int(said.sum()) - int(said.gather(rejected).sum())
