"""What the API queues; its throttle begins anew."""

import pytest
from django.core.cache import cache

from insurers.api import column_endpoints, endpoints


@pytest.fixture(autouse=True)
def _fresh_throttle() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the API queues, instead of a broker."""
    tasks: list[int] = []
    for module in (endpoints, column_endpoints):
        monkeypatch.setattr(module, "enqueue", lambda task, list_id: tasks.append(list_id))
    return tasks


@pytest.fixture(scope="module", autouse=True)
def _cast_of_a_file_with_a_database(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("standing_cast")
