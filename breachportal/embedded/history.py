"""Whether the demonstration's database goes on with the migrations of this release.

Until the first release migrations are rewritten in place, and Django knows them by name alone: it
would take what an older one made for its own, and fail later. So the folder keeps their digests.
"""

import json
from hashlib import sha256

from breachportal.embedded.state import PROJECT, State


class OtherHistoryError(Exception):
    """The database was made by migrations that this release does not have."""

    def __str__(self) -> str:
        return (
            "Cette démonstration vient d’une autre version du portail : effacez-la par"
            " « make reset-demo », puis relancez « make demo ».\n"
            "This demonstration comes from another release of the portal: forget it with"
            " “make reset-demo”, then run “make demo” again."
        )


def check_history(state: State) -> None:
    """Keep the digests of this release's migrations, with which the database begins or goes on.

    :raises OtherHistoryError: when one of those that made the database is not there as it was.
    """
    files = PROJECT.glob("*/migrations/*.py")
    here = {str(file.relative_to(PROJECT)): sha256(file.read_bytes()).hexdigest() for file in files}
    kept = state.migrations_file
    if state.database.exists():
        made_by = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
        if made_by is None or not made_by.items() <= here.items():
            raise OtherHistoryError
    draft = kept.with_suffix(".new")
    draft.write_text(json.dumps(here, indent=1), encoding="utf-8")
    draft.rename(kept)
