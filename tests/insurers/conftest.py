"""Each test has a key store and an upload folder of its own."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> None:
    settings.KEY_STORE_DIR = tmp_path / "keys"
    settings.UPLOAD_DIR = tmp_path / "uploads"
