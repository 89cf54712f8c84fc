"""A real SMTP server, for the tests that send; and what the tests of a file begin with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import override_settings

from insurers.models import AffectedList
from tests.conftest import Writing
from tests.notifications.story import accepted_list, member
from tests.smtp import Recorder, smtp_server


@contextmanager
def recorded_mail() -> Iterator[Recorder]:
    """Have everything that is sent in the block go to a server that records it."""
    with (
        smtp_server() as recorder,
        override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=recorder.port),
    ):
        yield recorder


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with recorded_mail() as recorder:
        yield recorder


@pytest.fixture(scope="module", autouse=True)
def _cast_of_a_file_with_a_database(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("standing_cast")


@pytest.fixture(scope="module")
def _listed_once(beginning: Writing, standing_cast: None) -> int:
    with beginning():
        return accepted_list([member(1, email="a@example.fr")]).pk


@pytest.fixture
def listed(_listed_once: int) -> AffectedList:
    """The Phare's accepted list of one person, taken in once for a file."""
    return AffectedList.objects.get(pk=_listed_once)
