"""A whole portal, started as `make demo` starts it, and a real browser to use it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from breachportal.embedded.mailpages import current_code
from breachportal.embedded.state import PROJECT
from notifications.references import IN_GROUPS
from tests.chromium import find_chromium

MEMBERS = 300
# Tab goes on from where one clicked last, or from where the page has the focus begin.
# What a page focuses by itself (autofocus) gets it with a frame, not before the page is loaded.
FROM_THE_TOP = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
}"""


@dataclass(frozen=True)
class Portal:
    """A running portal: its addresses, and the accounts of its fictional people."""

    url: str
    mail_url: str
    state: Path
    summary: dict[str, int]
    accounts: list[dict[str, str]]

    def account(self, name: str) -> dict[str, str]:
        """Return the account whose address begins with `name`."""
        return next(found for found in self.accounts if found["email"].startswith(name))

    def redis_socket(self) -> str:
        """Return where Redis listens, as the web process was told."""
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                text = environment.read_text(errors="replace")
            except OSError:
                continue
            if str(self.state) in text and (found := re.search(r"REDIS_URL=unix://([^?]+)", text)):
                return found[1]
        raise AssertionError("no process of the portal says where Redis is")

    def first_message(self) -> str:
        """Return the text of the first message in French that the mail catcher took."""
        numbers = range(1, self.messages() + 1)
        return self.message(
            next(number for number in numbers if self._source(number)["Content-Language"] == "fr")
        )

    def message(self, number: int) -> str:
        """Return the text of a message that the mail catcher took, by its number from 1."""
        body = self._source(number).get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    def told(self, *, after: int) -> list[tuple[str, str]]:
        """Return whom each message after that one was for, and its subject."""
        messages = map(self._source, range(after + 1, self.messages() + 1))
        return [(str(message["To"]), str(message["Subject"])) for message in messages]

    def _source(self, number: int) -> EmailMessage:
        address = f"{self.mail_url}/messages/{number}/source"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
            return message_from_bytes(answer.read(), policy=default)

    def messages(self) -> int:
        """Return how many messages the mail catcher holds."""
        with urllib.request.urlopen(f"{self.mail_url}/", timeout=10) as answer:  # noqa: S310
            page = answer.read().decode()
        found = re.search(r'id="count">(\d[\d\s]*) message', page)
        assert found is not None
        return int("".join(found[1].split()))


def wait_for(happened: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until something has happened, or fail."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def reference_in(message: str) -> str:
    """Return the reference that a message carries."""
    found = IN_GROUPS.search(message)
    assert found is not None
    return found[0]


class Demo:
    """The demonstration as a person runs it, read through a file."""

    def __init__(self, state: Path) -> None:
        self.state = state
        # Two runs of the tests at once keep apart; none of its three ports is of another's.
        self._port = 11_000 + 100 * (os.getpid() % 200)
        self._output = state.with_name("output.txt")
        self.start()

    def start(self) -> None:
        """Run `python -m breachportal.embedded`, at the same address each time."""
        options = ("--port", str(self._port), "--members", str(MEMBERS))
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "breachportal.embedded", "--state", self.state, *options],
                cwd=PROJECT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """Return what it says until it has started, once it has."""
        deadline = time.monotonic() + 180
        while "Ctrl-C" not in (said := self._output.read_text(encoding="utf-8")):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return said

    def interrupt(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One for all whole ways, in a folder with an awkward path."""
    running = Demo(tmp_path_factory.mktemp("une démonstration") / "state")
    yield running
    if running.process.poll() is None:
        running.interrupt()


@pytest.fixture(scope="package")
def portal(demo: Demo) -> Portal:
    lines = demo.said().splitlines()
    line = next(line for line in lines if line.startswith("people="))
    return Portal(
        url=_after(lines, "Le portail : "),
        mail_url=_after(lines, "Les messages reçus, et les codes à jour : ")[: -len("/comptes/")],
        state=demo.state,
        summary={key: int(value) for key, value in (pair.split("=") for pair in line.split())},
        accounts=json.loads(demo.state.joinpath("demo.json").read_text())["accounts"],
    )


def _after(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.startswith(start)).removeprefix(start).strip()


# While Playwright runs its event loop, Django refuses the database: no test here asks for it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium()),
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    with visitor(browser, portal) as page:
        yield page


@contextmanager
def visitor(
    browser: Browser, portal: Portal, *, strict: bool = True, **options: Any
) -> Iterator[Page]:
    """Open a page of somebody's own browser; where strict, fail when it complains of anything."""
    context = browser.new_context(base_url=portal.url, locale="fr-FR", **options)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: _note(faults, message.type, message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not strict or faults == [], "the browser complained"


def _note(faults: list[str], kind: str, text: str) -> None:
    if kind == "error":
        faults.append(text)


def sign_in(page: Page, portal: Portal, name: str) -> None:
    """Sign in with password and one-time code, as a person does."""
    account = portal.account(name)
    page.goto("/compte/login/")
    page.fill("input[name=login]", account["email"])
    page.fill("input[name=password]", account["password"])
    page.get_by_role("button", name="Se connecter").click()
    for _ in range(3):  # A code may end its thirty seconds on its way.
        page.fill("input[name=code]", unused_code(account["totp_secret"]))
        page.get_by_role("button", name="Se connecter").click()
        with suppress(PlaywrightTimeout):
            page.wait_for_url(lambda address: "/compte/" not in address, timeout=10_000)
            return
    raise AssertionError("nobody was let in")


_used: set[str] = set()


def unused_code(secret: str) -> str:
    """Return a one-time code that did not serve yet; wait for the next one where it did."""
    while (code := current_code(secret, now=time.time())) in _used:
        time.sleep(0.5)
    _used.add(code)
    return code
