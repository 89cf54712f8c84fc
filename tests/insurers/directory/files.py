"""The directory's files, loaded and changed as an operator does."""

import io
from pathlib import Path

from django.core.management import call_command

from insurers.directory.loading import KEYS
from insurers.management.commands.load_directory import FOLDER
from tests.conftest import as_role

BREACH = "viamedis-almerys-2024"


def load(folder: Path = FOLDER, **options: bool) -> str:
    """Load as the web role does; return what the command printed."""
    printed = io.StringIO()
    with as_role("web"):
        call_command("load_directory", dir=folder, stdout=printed, **options)
    return printed.getvalue()


def rewrite(file: Path, old: str, new: str) -> int:
    """Replace the one `old` of a file; return the number of its line."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def counts() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in KEYS}
