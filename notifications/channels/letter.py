"""Letters: a row each of a file by which the insurer prints them, from its own records.

A letter is named by the row of the insurer's own file, so its "address" is one or several
`sha256:row` of source files; the text is its reference.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import TextIO

from insurers.lists.spreadsheets import inert_cell
from notifications.channels.base import Outcome, Outgoing
from notifications.models import State

HEADER = ("fichier_sha256", "ligne", "code_de_reference")
EXPORTED = "letter-exported"


class LetterChannel:
    """Writes letters to a file; whoever owns it makes it durable, in one go with the outcomes."""

    gives_way = False

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, delimiter=";")
        self._writer.writerow(HEADER)

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        """Write the rows of each letter: one for each person that it covers."""
        for outgoing in messages:
            for place in outgoing.address.split():
                source, _, row = place.partition(":")
                cells = (source, row, outgoing.message.text)
                self._writer.writerow([inert_cell(cell) for cell in cells])
            yield Outcome(outgoing.notification_id, State.ACCEPTED, EXPORTED)
