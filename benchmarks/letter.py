"""The message that everybody sends in `make bench-dispatch`: about 5 KB, text and HTML."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

SENDER = "portail@example.fr"
VARIABLE = "BENCH_LETTER"


@dataclass(frozen=True)
class Letter:
    """What a message says, and how it looks on the wire to the portal's recipients."""

    subject: str
    text: str
    html: str
    wire: str


def keep(letter: Letter, folder: Path) -> None:
    """Write it for the other processes."""
    path = folder / "letter.json"
    path.write_text(json.dumps(asdict(letter)))
    os.environ[VARIABLE] = str(path)


def kept() -> Letter:
    """Return what `keep` wrote."""
    return Letter(**json.loads(Path(os.environ[VARIABLE]).read_text()))


def address(number: int) -> str:
    """Return the address of a fictional person."""
    return f"personne.{number}@exemple.fr"
