"""A copy of the directory's files, to be changed."""

import shutil
from pathlib import Path

import pytest

from insurers.management.commands.load_directory import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "data"))
