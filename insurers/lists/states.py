"""The states of a list and who may follow whom; every change is one conditional UPDATE."""

from typing import Any

from insurers.models import AffectedList, ListState

# uploaded → ingesting → review → accepting → accepted; refused from anywhere before accepting;
# accepted → withdrawing → withdrawn.
# ingesting → columns where people must say which column is which; their choice → uploaded.
SOURCES: dict[ListState, tuple[ListState, ...]] = {
    ListState.UPLOADED: (ListState.COLUMNS, ListState.REVIEW),
    ListState.COLUMNS: (ListState.INGESTING,),
    ListState.INGESTING: (ListState.UPLOADED, ListState.INGESTING),
    ListState.REVIEW: (ListState.INGESTING,),
    ListState.ACCEPTING: (ListState.REVIEW,),
    ListState.ACCEPTED: (ListState.ACCEPTING,),
    ListState.WITHDRAWING: (ListState.ACCEPTED,),
    ListState.WITHDRAWN: (ListState.WITHDRAWING,),
    ListState.REFUSED: (
        ListState.UPLOADED,
        ListState.INGESTING,
        ListState.COLUMNS,
        ListState.REVIEW,
    ),
}
READING = (ListState.UPLOADED, ListState.INGESTING)
UNFINISHED = (*READING, ListState.ACCEPTING, ListState.WITHDRAWING)
AWAITING = (ListState.COLUMNS, ListState.REVIEW)
"""What people must decide, and may refuse."""


class WrongStateError(Exception):
    """The list is not, or is no longer, in a state that allows this."""


def move(
    *, list_id: int, to: ListState, sources: tuple[ListState, ...] | None = None, **fields: Any
) -> None:
    """Move a list and set `fields` with it, or raise WrongStateError."""
    allowed = [state for state in SOURCES[to] if sources is None or state in sources]
    moved = AffectedList.objects.filter(pk=list_id, state__in=allowed).update(state=to, **fields)
    if moved != 1:
        raise WrongStateError
