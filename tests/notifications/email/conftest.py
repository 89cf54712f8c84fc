"""A message that was sent, once for the tests of a file."""

import pytest

from notifications.models import Notification
from tests.conftest import Writing
from tests.notifications.conftest import recorded_mail
from tests.notifications.email import letters
from tests.notifications.story import built, member, send


@pytest.fixture(scope="module")
def _sent_once(beginning: Writing, standing_cast: None) -> None:
    with beginning(), recorded_mail():
        send(built([member(1, email=letters.ADDRESS)]))


@pytest.fixture
def sent(_sent_once: None) -> Notification:
    """A message that the server accepted, as far as the portal knows."""
    return Notification.objects.get()
