"""The end of the demonstration, hence of the whole ways: `tests/scheduling.py` has it come last."""

from breachportal.embedded.process import find_leftovers
from tests.whole_way.conftest import Demo


def test_ctrl_c_leaves_nothing(demo: Demo) -> None:
    demo.said()
    assert demo.interrupt() == 0
    assert find_leftovers(demo.state) == []
