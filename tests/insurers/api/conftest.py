"""A token of the Phare's, and folders of their own."""

from pathlib import Path

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from insurers.api import column_endpoints, endpoints


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, settings: Settings) -> None:
    settings.KEY_STORE_DIR = tmp_path / "keys"
    settings.UPLOAD_DIR = tmp_path / "uploads"
    cache.clear()


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the API queues, instead of a broker."""
    tasks: list[int] = []
    for module in (endpoints, column_endpoints):
        monkeypatch.setattr(module, "enqueue", lambda task, list_id: tasks.append(list_id))
    return tasks
