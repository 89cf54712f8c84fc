"""A line of the log is one JSON object, with ids and places and without values."""

import json
import logging
import sys
from typing import Any

from breachportal.logs import JsonFormatter


def line(message: str, *args: object, **fields: Any) -> dict[str, Any]:
    record = logging.LogRecord("portal", logging.ERROR, "x.py", 1, message, args, None)
    record.__dict__ |= fields
    written = JsonFormatter().format(record)
    assert "\n" not in written
    return dict(json.loads(written))


def test_a_line_is_one_object() -> None:
    said = line("the mailbox of %s cannot be read", 12)
    assert (said["level"], said["logger"]) == ("ERROR", "portal")
    assert said["message"] == "the mailbox of 12 cannot be read"


def test_an_exception_keeps_its_places_and_loses_its_message() -> None:
    address = "camille@example.fr"
    try:
        raise ValueError(address)
    except ValueError:
        said = line("failed", exc_info=sys.exc_info())
    assert said["places"].endswith("builtins.ValueError")
    assert "camille" not in json.dumps(said)


def test_an_address_that_opens_something_is_cut() -> None:
    assert line("Not Found: /invitation/abc123")["message"] == "Not Found: /invitation/…"
