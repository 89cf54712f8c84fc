"""The state folder: who may use it, what it keeps, who is given which secret."""

from pathlib import Path

import pytest

from breachportal.embedded.state import (
    LONGEST_SOCKET_PATH,
    AlreadyRunningError,
    Role,
    State,
    close_runtime,
    environment,
    open_runtime,
)


def settings(state: State, role: Role) -> dict[str, str]:
    return environment(
        role=role,
        state=state,
        sockets=Path("/tmp/a b"),
        database="breachportal",
        redis_url="unix:///tmp/redis.sock?db=0",
        smtp_port=1025,
        portal_port=8000,
    )


def test_a_second_run_is_told_where_the_first_one_answers(state: State) -> None:
    with state.lock() as lock:
        lock.write("http://localhost:8000")
        lock.flush()
        with pytest.raises(AlreadyRunningError, match="http://localhost:8000"):
            state.lock()


def test_the_folder_is_free_again_after_a_run(state: State) -> None:
    state.lock().close()
    state.lock().close()


def test_secrets_are_made_once(state: State) -> None:
    assert state.secrets() == State(state.folder).secrets()


def test_secrets_are_readable_by_their_owner_alone(state: State) -> None:
    state.secrets()
    assert (state.folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert state.folder.stat().st_mode & 0o777 == 0o700


def test_the_web_process_is_given_no_private_key(state: State) -> None:
    assert {"SEALING_PRIVATE_KEY", "REFERENCE_KEY"}.isdisjoint(settings(state, "web"))
    assert {"SEALING_PRIVATE_KEY", "REFERENCE_KEY"} <= set(settings(state, "worker"))


@pytest.mark.parametrize("role", ["owner", "web", "worker"])
def test_a_process_is_given_its_own_database_address_alone(state: State, role: Role) -> None:
    addresses = [name for name in settings(state, role) if name.startswith("DATABASE_URL")]
    assert addresses == [f"DATABASE_URL_{role.upper()}"]


def test_the_socket_folder_is_escaped_in_the_address(state: State) -> None:
    address = settings(state, "web")["DATABASE_URL_WEB"]
    assert address == "postgresql://breachportal_web@/breachportal?host=%2Ftmp%2Fa%20b"


@pytest.mark.parametrize("name", ["un dossier", "x" * 150])
def test_sockets_of_an_awkward_folder_are_kept_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    runtime = open_runtime(folder)
    assert len(str(runtime / "postgres" / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
    assert " " not in str(runtime)
    close_runtime(folder)
    assert not runtime.exists()


def test_a_new_run_removes_the_sockets_of_a_killed_one(tmp_path: Path) -> None:
    left_behind = open_runtime(tmp_path)
    (left_behind / "redis.sock").touch()
    assert not (open_runtime(tmp_path) / "redis.sock").exists()
    close_runtime(tmp_path)


def test_clearing_leaves_what_is_not_ours(state: State) -> None:
    state.secrets()
    (state.folder / "thèse.odt").touch()
    state.clear()
    assert [path.name for path in state.folder.iterdir()] == ["thèse.odt"]
