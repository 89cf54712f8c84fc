"""A database that another release's migrations made is told from one that goes on."""

import json
import subprocess
import sys

import pytest

from breachportal.embedded.history import OtherHistoryError, check_history
from breachportal.embedded.state import PROJECT, State

FIRST = "notifications/migrations/0001_initial.py"


def started(state: State) -> dict[str, str]:
    """Begin a database, as a start does; return the digests that it was made with."""
    check_history(state)
    state.database.mkdir()
    kept: dict[str, str] = json.loads(state.migrations_file.read_text())
    return kept


def test_a_database_goes_on_with_migrations_that_were_added(state: State) -> None:
    made_by = started(state)
    older = {name: digest for name, digest in made_by.items() if "/0003_" not in name}
    state.migrations_file.write_text(json.dumps(older))
    check_history(state)
    assert json.loads(state.migrations_file.read_text()) == made_by


@pytest.mark.parametrize(
    "older",
    [{"insurers/migrations/0004_gone.py": "0" * 64}, {FIRST: "0" * 64}],
    ids=["a migration is gone", "a migration was rewritten"],
)
def test_a_database_of_another_history_is_refused(state: State, older: dict[str, str]) -> None:
    state.migrations_file.write_text(json.dumps(started(state) | older))
    with pytest.raises(OtherHistoryError):
        check_history(state)
    assert json.loads(state.migrations_file.read_text()).items() >= older.items()


def test_a_folder_without_a_database_begins_anew(state: State) -> None:
    state.migrations_file.write_text(json.dumps({FIRST: "0" * 64}))
    check_history(state)
    assert json.loads(state.migrations_file.read_text())[FIRST] != "0" * 64


def test_the_demonstration_of_an_older_release_ends_with_what_to_do(state: State) -> None:
    state.database.mkdir()
    command = [sys.executable, "-m", "breachportal.embedded", "--state", str(state.folder)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    french, english = ended.stderr.strip().splitlines()
    assert "effacez-la par « make reset-demo »" in french
    assert "forget it with “make reset-demo”" in english
    assert not (state.folder / "logs").exists()  # nothing was started
