"""How often a temporary failure is tried again, and when: kept in PostgreSQL as `due_at`."""

from datetime import timedelta

ATTEMPTS = 6
FIRST_DELAY = timedelta(minutes=1)
GROWTH = 4  # 1 minute, 4, 16, 1 h 04, 4 h 16


def retry_delay(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    steps = max(0, min(attempts, ATTEMPTS) - 1)
    return FIRST_DELAY * float(GROWTH**steps)
