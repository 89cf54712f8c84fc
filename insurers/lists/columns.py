"""Which column of a list is which: recognised, remembered, or said by people.

The worker settles the columns as it begins to read. Where they are unclear, the list waits in
the state `columns` until staff choose; it is then read again. What is kept of a column is in
`masking.py`; what people chose is remembered for their insurer's next files.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.trail import account, actor_of, insurer_scope, record
from insurers.lists import identifiers, nir
from insurers.lists.headers import (
    ColumnsUnclearError,
    Layout,
    check_choice,
    header_key,
    read_layout,
    recognised,
)
from insurers.lists.identifiers import BadValueError
from insurers.lists.masking import common_shapes, is_surely_data, shown_headers
from insurers.lists.number_dates import numbers_of
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.relationships import relationship
from insurers.lists.states import move
from insurers.models import AffectedList, ApiToken, ListColumn, ListState, RememberedColumn

LONGEST_KEY = 120
_FEWEST_TO_JUDGE = 20


class NoSuchColumnError(Exception):
    """A choice names a column that the file has not, or a field that is not read."""


# As the worker reads.


def settle_columns(
    *, affected_list: AffectedList, header: list[str], first_rows: list[list[str]]
) -> Layout | None:
    """Return where the columns stand: as chosen for the list, else remembered, else recognised.

    Where that is unclear, keep what the page needs, move the list to `columns` and return
    None. Raises FileRefusedError where no choice can help: no header, a column of social
    security numbers, no rows, or too few columns. `first_rows` are some of the first.
    """
    values = _values_by_column(len(header), first_rows)
    today = timezone.localdate(affected_list.uploaded_at)
    if chosen := _chosen(affected_list):
        return _with_numbers(read_layout(header, chosen=chosen), values, today)
    layout: Layout | None = None
    try:
        layout = read_layout(header, remembered=_remembered(affected_list.insurer_id))
        fields = {place: field for field, place in layout.columns.items()}
    except ColumnsUnclearError as unclear:
        _refuse_what_no_choice_can_help(header, values, unclear)
        fields = {**unclear.suggested, **_guesses(header, values, unclear)}
    fields = _without_other_words(fields, values)
    if layout is not None:
        layout = Layout({field: place for place, field in fields.items()}, len(header))
    with transaction.atomic():
        _keep_columns(affected_list, header, values, fields)
        if layout is None:
            # Data keys are named after attempts: this one has none, so its number is free again.
            move(list_id=affected_list.pk, to=ListState.COLUMNS, attempt=F("attempt") - 1)
    return _with_numbers(layout, values, today) if layout else None


def _with_numbers(layout: Layout, values: list[list[str]], today: date) -> Layout:
    births = values[layout.columns[Field.BIRTH_DATE]]
    return replace(layout, numbers=numbers_of(births, today=today))


def _without_other_words(fields: Mapping[int, Field], values: list[list[str]]) -> dict[int, Field]:
    """Pass over a « qualité » whose first values say something else, such as a civility."""
    return {
        place: field
        for place, field in fields.items()
        if field != Field.RELATIONSHIP or _fits(values[place], relationship, share=0.5)
    }


def _chosen(affected_list: AffectedList) -> dict[int, Field]:
    chosen = affected_list.columns.exclude(chosen="").values_list("place", "chosen")
    return {place: Field(field) for place, field in chosen}


def _remembered(insurer_id: UUID) -> dict[str, Field]:
    kept = RememberedColumn.objects.filter(insurer_id=insurer_id).values_list("key", "field")
    return {key: Field(field) for key, field in kept}


def _values_by_column(width: int, rows: list[list[str]]) -> list[list[str]]:
    return [
        [row[place] for row in rows if place < len(row) and row[place].strip()]
        for place in range(width)
    ]


def _refuse_what_no_choice_can_help(
    header: list[str], values: list[list[str]], unclear: ColumnsUnclearError
) -> None:
    if not recognised(header) and any(is_surely_data(name) for name in header):
        raise FileRefusedError(Refusal.NO_HEADER, row=1)
    free = [place for place in _in_use(header, values) if place not in unclear.suggested]
    if len(free) < len(unclear.missing):
        raise FileRefusedError(Refusal.MISSING_COLUMNS, row=1, column=",".join(unclear.missing))
    if not any(values):
        raise FileRefusedError(Refusal.NO_ROWS)
    if not settings.NIR_ALLOWED:
        for place, cells in enumerate(values):
            nirs = sum(nir.holds_one(cell) for cell in cells)
            if len(cells) >= _FEWEST_TO_JUDGE and nirs >= nir.SHARE * len(cells):
                raise FileRefusedError(Refusal.NIR_COLUMN, column=f"#{place + 1}")


def _in_use(header: list[str], values: list[list[str]]) -> list[int]:
    """Return the places of the columns that have a header or a value."""
    return [place for place, name in enumerate(header) if name.strip() or values[place]]


def _fits_birth_dates(cells: Sequence[str]) -> bool:
    numbers = numbers_of(cells, today=date.max)
    return _fits(cells, lambda text: identifiers.birth_date(text, date.max, numbers))


_FITS: dict[Field, Callable[[Sequence[str]], bool]] = {
    Field.BIRTH_DATE: _fits_birth_dates,
    Field.EMAIL: lambda cells: _fits(cells, identifiers.email),
    Field.PHONE: lambda cells: _fits(cells, identifiers.mobile_phone),
}


def _guesses(
    header: list[str], values: list[list[str]], unclear: ColumnsUnclearError
) -> dict[int, Field]:
    """Suggest a column for each field without one, where a single free column has such values."""
    settled = {*unclear.suggested.values(), *unclear.ambiguous}
    free = [place for place in _in_use(header, values) if place not in unclear.suggested]
    guesses: dict[int, Field] = {}
    for field, fits in _FITS.items():
        fitting = [place for place in free if fits(values[place])]
        if field not in settled and len(fitting) == 1:
            guesses[fitting[0]] = field
    return guesses


def _fits(cells: Sequence[str], normalise: Callable[[str], str], *, share: float = 0.8) -> bool:
    """Whether nearly all values pass; not all need to, since files have faults."""
    passed = 0
    for cell in cells:
        try:
            passed += bool(normalise(cell))
        except BadValueError:
            continue
    return passed > 0 and passed >= share * len(cells)


def _keep_columns(
    affected_list: AffectedList,
    header: list[str],
    values: list[list[str]],
    fields: Mapping[int, Field],
) -> None:
    shown = shown_headers(header, values)
    affected_list.columns.all().delete()
    ListColumn.objects.bulk_create(
        ListColumn(
            list=affected_list,
            place=place,
            header=shown[place] or "",
            is_masked=shown[place] is None,
            shapes=common_shapes(values[place]),
            field=fields[place].value if place in fields else "",
        )
        for place in _in_use(header, values)
    )


# As people choose.


def choose_columns(
    *,
    affected_list: AffectedList,
    columns: Mapping[int, Field],
    chosen_by: AbstractBaseUser | None,
    now: datetime,
    chosen_with: ApiToken | None = None,
) -> None:
    """Record which column (place from 0) is which; the caller has the list read again.

    A person chose, or a program with its token, or neither: the command line. Raises
    ColumnsUnclearError where a needed field lacks or one is given twice, NoSuchColumnError, and
    WrongStateError where the list awaits no choice: it does in `columns`, and in `review` where
    a column was mistaken for another.
    """
    check_choice(columns)
    known = {column.place: column for column in affected_list.columns.all()}
    if not columns.keys() <= known.keys() or Field.NIR in columns.values():
        raise NoSuchColumnError
    with transaction.atomic():
        move(list_id=affected_list.pk, to=ListState.UPLOADED)
        affected_list.columns.update(chosen="")
        for place, field in columns.items():
            affected_list.columns.filter(place=place).update(chosen=field.value, field=field.value)
        affected_list.columns.filter(chosen="").update(field="")
        _remember(affected_list, list(known.values()), columns, now)
        record(
            action="list.columns_chosen",
            scope=insurer_scope(affected_list.insurer_id),
            actor=actor_of(
                account_id=chosen_by.pk if chosen_by else None,
                token_id=chosen_with.pk if chosen_with else None,
            ),
            subject=f"list:{affected_list.pk}",
            detail={field.value: place + 1 for place, field in columns.items()},
        )
    affected_list.refresh_from_db()


def _remember(
    affected_list: AffectedList,
    known: list[ListColumn],
    columns: Mapping[int, Field],
    now: datetime,
) -> None:
    """Remember each header that names one column only; forget what it meant before."""
    keys = {column.place: header_key(column.header) for column in known if not column.is_masked}
    times = Counter(keys.values())
    remembered = RememberedColumn.objects.filter(insurer_id=affected_list.insurer_id)
    remembered.filter(key__in=[key for key in times if key]).delete()
    RememberedColumn.objects.bulk_create(
        RememberedColumn(
            insurer_id=affected_list.insurer_id,
            key=keys[column.place],
            header=column.header,
            field=columns[column.place].value,
            remembered_at=now,
        )
        for column in known
        if column.place in columns
        and 0 < len(keys.get(column.place, "")) <= LONGEST_KEY
        and times[keys[column.place]] == 1
    )


def why_unclear(affected_list: AffectedList) -> ColumnsUnclearError | None:
    """Return what the headers of a list leave unclear: a header that is known is never masked."""
    headers = {column.place: column.header for column in affected_list.columns.all()}
    width = max(headers, default=-1) + 1
    try:
        read_layout(
            [headers.get(place, "") for place in range(width)],
            remembered=_remembered(affected_list.insurer_id),
        )
    except ColumnsUnclearError as unclear:
        return unclear
    return None


def find_columns(*, affected_list: AffectedList, named: Mapping[Field, str]) -> dict[int, Field]:
    """Return what to choose: the columns named by header or `#number`, the others as read.

    Raises NoSuchColumnError where a name fits no column, or several, and ColumnsUnclearError
    where something stays unclear.
    """
    known = list(affected_list.columns.all())
    found: dict[int, Field] = {}
    for field, name in named.items():
        places = [column.place for column in known if _is_named(column, name.strip())]
        if len(places) != 1 or places[0] in found:
            raise NoSuchColumnError
        found[places[0]] = field
    unclear = why_unclear(affected_list)
    if unclear and any(field not in named for field in unclear.ambiguous):
        raise unclear
    for column in known:
        if column.field and column.place not in found and column.field not in named:
            found[column.place] = Field(column.field)
    check_choice(found)
    return found


def _is_named(column: ListColumn, name: str) -> bool:
    if name.startswith("#"):
        return name == f"#{column.place + 1}"
    key = header_key(name)
    return column.header == name or (key != "" and header_key(column.header) == key)


def forget_column(*, remembered: RememberedColumn, forgotten_by: AbstractBaseUser) -> None:
    """Forget what a header means for an insurer."""
    with transaction.atomic():
        record(
            action="columns.forgotten",
            scope=insurer_scope(remembered.insurer_id),
            actor=account(forgotten_by.pk),
            subject=f"column:{remembered.pk}",
            detail={"field": remembered.field},
        )
        remembered.delete()
