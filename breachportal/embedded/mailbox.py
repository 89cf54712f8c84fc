"""Where the mail catcher keeps what it received."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    received_at REAL NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS source (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""

MATCHES = "instr(lower(recipients), lower(?)) > 0"
SELECT = "SELECT id, received_at, sender, recipients, content FROM message JOIN source USING (id)"


@dataclass(frozen=True)
class Received:
    """One message as it arrived; times are Unix seconds, recipients are separated by spaces."""

    id: int
    received_at: float
    sender: str
    recipients: str
    content: bytes


class Mailbox:
    """Everything received, in one SQLite file, so that memory does not grow with it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "mail.sqlite3"
        self._writer = self._connect()
        self._writer.executescript(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        # A killed catcher loses nothing that it acknowledged; a power cut may.
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA busy_timeout=5000"
        )
        return connection

    def add(self, *, sender: str, recipients: list[str], content: bytes) -> None:
        """Keep one message."""
        execute = self._writer.execute
        execute("BEGIN")
        cursor = execute(
            "INSERT INTO message (received_at, sender, recipients) VALUES (?, ?, ?)",
            (time.time(), sender, " ".join(recipients)),
        )
        execute("INSERT INTO source (id, content) VALUES (?, ?)", (cursor.lastrowid, content))
        execute("COMMIT")

    def count(self, search: str = "") -> int:
        """How many messages have `search` in a recipient's address."""
        return int(self._rows("SELECT count(*) FROM message WHERE " + MATCHES, search)[0][0])

    def count_addresses(self) -> int:
        """How many different recipients there are."""
        return int(self._rows("SELECT count(DISTINCT recipients) FROM message")[0][0])

    def page(self, search: str, *, start: int, size: int) -> list[Received]:
        """The messages with `search` in a recipient's address, the newest first."""
        matching = f"SELECT id FROM message WHERE {MATCHES}"
        ids = f"{matching} ORDER BY id DESC LIMIT {size:d} OFFSET {start:d}"
        return [
            Received(*row)
            for row in self._rows(f"{SELECT} WHERE id IN ({ids}) ORDER BY id DESC", search)
        ]

    def find(self, number: int) -> Received | None:
        """One message by its number."""
        rows = self._rows(f"{SELECT} WHERE id = ?", number)
        return Received(*rows[0]) if rows else None

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        connection = self._connect()
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()
