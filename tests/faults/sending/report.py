"""The table of faults, for docs/benchmarks.md: written a row at a time, as faults end."""

import os
from pathlib import Path

from tests.faults.sending.run import Row, say

VARIABLE = "FAULT_TABLE"  # names the file; without it nothing is written
_HEAD = (
    "| fault | messages | lost | duplicates | uncertain | seconds to recover |\n"
    "|---|---|---|---|---|---|\n"
)


def report(row: Row) -> None:
    """Say a row, and add it to the table where one is asked for."""
    say(str(row))
    name = os.environ.get(VARIABLE)
    if not name:
        return
    path = Path(name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_HEAD, encoding="utf-8")
    uncertain = f"{row.uncertain}" + (f", {row.sent_again} sent again" if row.sent_again else "")
    cells = (
        row.fault,
        f"{row.messages:,}",
        row.lost,
        f"{row.duplicates:,}",
        uncertain,
        "–" if row.seconds is None else f"{row.seconds:.1f}",
    )
    with path.open("a", encoding="utf-8") as table:
        table.write("| " + " | ".join(map(str, cells)) + " |\n")
