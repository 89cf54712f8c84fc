"""What the pages of lists queue."""

import pytest

from insurers.lists import column_views, upload_views, views


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Tasks and lists, noted instead of given to a broker."""
    tasks: list[tuple[str, int]] = []
    for module in (views, upload_views, column_views):
        monkeypatch.setattr(
            module, "enqueue", lambda task, list_id: tasks.append((task.__name__, list_id))
        )
    return tasks


@pytest.fixture(scope="module", autouse=True)
def _cast_of_a_file_with_a_database(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("standing_cast")
