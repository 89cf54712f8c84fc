"""When nothing may leave: quiet hours of the night, by the clock on the wall in Paris."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


class QuietHoursError(ValueError):
    """The setting is not like "22:00-07:00"."""


@dataclass(frozen=True)
class QuietHours:
    """From `start` to `end` on the wall clock, over midnight where `end` comes first."""

    start: time
    end: time

    def cover(self, moment: datetime) -> bool:
        """Whether a moment is quiet. The wall clock decides, on days of 23 and 25 hours too."""
        wall = moment.astimezone(PARIS).time()
        if self.start <= self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end


def read_quiet_hours(text: str) -> QuietHours | None:
    """Read "22:00-07:00"; "" is no quiet hours. Raises QuietHoursError."""
    if not text:
        return None
    try:
        start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError as error:
        raise QuietHoursError('quiet hours are written like "22:00-07:00"') from error
    return QuietHours(start, end)
