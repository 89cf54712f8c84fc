"""Servers of these tests' own, in a folder whose path is awkward, started once for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from breachportal.embedded.postgres import Cluster, start_cluster, stop_cluster
from breachportal.embedded.state import State


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("un dossier") / ("long" * 30)
    running = start_cluster(folder, durable=False)
    running.provision("breachportal")
    yield running
    stop_cluster(running)


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "demo")
    made.create()
    return made
