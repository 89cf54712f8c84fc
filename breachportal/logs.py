"""Logs say where something failed, never which value did it (design promise: no identifier)."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from types import TracebackType

from celery import current_task

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# Addresses that open something for whoever knows them.
TOKENS = re.compile(
    r"(/invitation/|/password/reset/key/|/attente/(?:confirmer|retirer)/|bp1_)[^\s'\"]+"
)


class ScrubbingFormatter(logging.Formatter):
    """Formats a record; exceptions keep their type and places and lose their message."""

    def __init__(self, fmt: str = "%(asctime)s %(levelname)s %(name)s %(message)s") -> None:
        super().__init__(fmt)

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 (logging's name)
        kind, _error, trace = ei
        frames = "".join(traceback.format_tb(trace)).rstrip()
        return f"{frames}\n{kind.__module__}.{kind.__qualname__}" if kind else frames

    def format(self, record: logging.LogRecord) -> str:
        if record.name == "celery.app.trace" and record.exc_info:
            record = logging.makeLogRecord(record.__dict__ | {"msg": "a task failed", "args": ()})
            record.exc_text = None
        return TOKENS.sub(r"\1…", super().format(record))


class JsonFormatter(ScrubbingFormatter):
    """One JSON object a line, for whoever collects logs; a task is named by its id."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        sentence, _newline, places = super().format(record).partition("\n")
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": sentence,
            "process": record.process,
        }
        if current_task:
            line |= {"task": current_task.name, "task_id": current_task.request.id}
        if places:
            line["places"] = places
        return json.dumps(line, ensure_ascii=False)
