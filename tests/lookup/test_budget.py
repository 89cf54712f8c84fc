"""What a first page costs on a slow line: counted by Chromium, served as in production."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from tests.chromium import find_chromium
from tests.lookup.site import production_site

BUDGET = 60_000  # bytes on the line, headers included
PAGES = ["/", "/organismes/mgp/", "/organismes/generali/", "/en/organismes/mgp/", "/conseils/"]


@pytest.fixture(scope="module")
def address(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="portal-site-"))
    with django_db_blocker.unblock():
        with production_site(folder) as site:
            site.environment["ALLOWED_HOSTS"] = "localhost"
            site.up()
            yield f"http://localhost:{site.port}"
    shutil.rmtree(folder)


class Line:
    """What went over the line for one page."""

    def __init__(self, session: CDPSession) -> None:
        self.asked: dict[str, str] = {}  # address: kind, as Chromium names it
        self.bytes = 0
        self.encodings: dict[str, str] = {}
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._ask)
        session.on("Network.responseReceived", self._receive)
        session.on("Network.loadingFinished", self._finish)

    def _ask(self, event: dict[str, Any]) -> None:
        self.asked[event["request"]["url"]] = event["type"]

    def _receive(self, event: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        self.encodings[event["type"]] = headers.get("content-encoding", "")

    def _finish(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]


@pytest.fixture(scope="module")
def lines(address: str) -> dict[str, Line]:
    """Each page opened by a browser that has nothing yet."""
    lines = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for path in PAGES:
            context = browser.new_context(extra_http_headers={"X-Forwarded-Proto": "https"})
            page = context.new_page()
            lines[path] = Line(context.new_cdp_session(page))
            page.goto(address + path, wait_until="networkidle")
            assert page.evaluate("document.fonts.size") == 0
            context.close()
        browser.close()
    return lines


def test_a_first_page_is_light_and_asks_nobody_else(address: str, lines: dict[str, Line]) -> None:
    print({path: line.bytes for path, line in lines.items()})  # noqa: T201 (shown by -s)
    for path, line in lines.items():
        assert 5_000 < line.bytes <= BUDGET, path
        assert [asked for asked in line.asked if not asked.startswith(f"{address}/")] == [], path
        assert set(line.asked.values()) <= {"Document", "Stylesheet", "Script", "Image", "Other"}
        assert line.encodings["Stylesheet"] == "gzip", path


def test_a_page_without_a_search_needs_no_script(lines: dict[str, Line]) -> None:
    assert "Script" in lines["/"].asked.values()
    assert "Script" not in lines["/organismes/mgp/"].asked.values()
