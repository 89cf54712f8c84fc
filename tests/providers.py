"""SMS providers as processes of their own: told what to do, and asked what they took, by files."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Controls:
    """A running provider, as a test sees it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def behave(self, **behaviour: Any) -> None:
        """Replace what the provider does from now on."""
        fresh = self.folder / "fresh.json"
        fresh.write_text(json.dumps(behaviour))
        fresh.replace(self.folder / "behaviour.json")

    @property
    def taken(self) -> list[dict[str, Any]]:
        """What it took, in order."""
        return self._lines("taken")

    @property
    def asked(self) -> list[dict[str, Any]]:
        """For whom it was asked to send, taken or not, and when (`at`, by its clock)."""
        return self._lines("asked")

    @property
    def numbers(self) -> list[str]:
        """Whom it took messages for, in order."""
        return [line["to"] for line in self.taken]

    def _lines(self, kind: str) -> list[dict[str, Any]]:
        try:
            text = (self.folder / f"{kind}.jsonl").read_text()
        except FileNotFoundError:
            return []
        # The last line may be half written.
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


@contextmanager
def provider_process(module: str, folder: Path) -> Iterator[Controls]:
    """Run `python -m MODULE FOLDER`, which prints its port, for the duration of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Controls(folder, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
