"""One JSON object per figure, one per line: what was measured, against what, and the target."""

import json
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version


def say(
    figure: str,
    value: float,
    unit: str,
    *,
    floor: float | None = None,
    peer: float | None = None,
    target: float | None = None,
    at_most: bool = False,
) -> None:
    """Print a figure; its ratio is to the floor or the peer that the same run measured."""
    line: dict[str, object] = {"figure": figure, "value": round(value, 3), "unit": unit}
    base = floor if floor is not None else peer
    if base is not None:
        line["floor" if floor is not None else "peer"] = round(base, 3)
        line["ratio"] = round(value / base, 3)
    if target is not None:
        line["target"] = target
        line["met"] = (
            (value if base is None else value / base) <= target
            if at_most
            else ((value if base is None else value / base) >= target)
        )
    if at_most:
        line["at_most"] = True
    print(json.dumps(line), flush=True)


def say_machine() -> None:
    """Print what the figures were measured on."""
    names = ("django", "psycopg", "polars", "celery", "cryptography")
    line = {
        "machine": platform.machine(),
        "cores": len(__import__("os").sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    print(json.dumps(line), flush=True)


def note(text: str) -> None:
    """Say on stderr what is going on."""
    print(text, file=sys.stderr, flush=True)
