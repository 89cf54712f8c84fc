"""Which tests go first, and which stay together; what a process does before the first of them.

Loaded as a pytest plugin. A file is one process's. What waits for processes of its own takes
minutes in few tests: left to the end, one process would wait for the other.
"""

import gc
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

WHOLE_WAY = "tests/whole_way/"  # they share a portal, which takes long to start
FIRST = (
    f"{WHOLE_WAY}test_demo.py",  # it has the portal start a second time
    WHOLE_WAY,
    f"{WHOLE_WAY}test_end.py",
    "tests/faults/",
    "tests/embedded/",
    # Long files that pytest-django would leave to the end, since they ask for no database of its.
    "tests/notifications/register/test_year.py",
    "tests/insurers/lists/test_rotation.py",
    "tests/insurers/lists/test_sheets.py",
)

# All that is imported and collected stays to the end: a fifth of the collection's time would go
# into looking for what can be thrown away.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, with the whole ways in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return WHOLE_WAY if nodeid.startswith(WHOLE_WAY) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    places = [place for place in FIRST if item.nodeid.startswith(place)]
    return FIRST.index(max(places, key=len)) if places else len(FIRST)
