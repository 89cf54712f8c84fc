"""What a token reaches: the rows of its insurer, by query and by row-level security."""

from contextlib import AbstractContextManager

from django.shortcuts import get_object_or_404

from insurers.models import AffectedList, ApiToken
from insurers.row_security import row_scope


def rows_of(token: ApiToken) -> AbstractContextManager[None]:
    """Open a transaction that sees the rows of the token's insurer."""
    return row_scope(insurers=(token.insurer_id,), role="staff", user_id=None)


def list_of(token: ApiToken, list_id: int) -> AffectedList:
    """Return a list of the token's insurer, or raise Http404: others' do not exist."""
    lists = AffectedList.objects.filter(insurer=token.insurer_id)
    return get_object_or_404(lists.select_related("breach", "population"), pk=list_id)
