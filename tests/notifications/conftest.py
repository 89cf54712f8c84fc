"""A real SMTP server, for the tests that send."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.smtp import Recorder, smtp_server


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with (
        smtp_server() as recorder,
        override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=recorder.port),
    ):
        yield recorder
