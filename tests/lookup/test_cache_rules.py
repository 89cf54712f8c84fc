"""Which addresses the documented nginx keeps, page by page: a new page is decided on purpose."""

import re
from collections.abc import Sequence

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.translation import override

from lookup import urls
from tests.lookup.nginx import CONFIGURATION

ASKED_EVERY_TIME = {"verify", "report_message", "message_reported", "suggestions"} | {
    "personal_check",
    "personal_check_of",
}


def rule(directive: str) -> re.Pattern[str]:
    """The expression of the location that holds a directive."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    [found] = [
        block
        for block in re.findall(r'location ~ "([^"]+)" {(.*?)\n    }', text, re.DOTALL)
        if directive in block[1]
    ]
    return re.compile(found[0])


def addresses(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> list[str]:
    """Every address below some patterns, arguments filled in by a word."""
    found = []
    for pattern in patterns:
        path = str(pattern.pattern)
        if isinstance(pattern.pattern, RoutePattern):
            path = re.sub(r"<[^>]+>", "mot", path)
        if isinstance(pattern, URLResolver):
            found += addresses(pattern.url_patterns, before + path)
        else:
            found.append(before + path)
    return found


@pytest.mark.parametrize("language", ["", "en/"])
def test_every_page_that_is_only_read_is_kept(language: str) -> None:
    kept = rule("proxy_cache portail;")
    for pattern in urls.urlpatterns:
        [address] = addresses([pattern], f"/{language}")
        assert bool(kept.search(address)) == (pattern.name not in ASKED_EVERY_TIME), address


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_other_address_is_kept(language: str) -> None:
    kept = rule("proxy_cache portail;")
    with override(language):
        every = {f"/{address}" for address in addresses(get_resolver().url_patterns)}
        public = addresses(urls.urlpatterns, "/" if language == "fr" else "/en/")
    assert len(every - {*public}) > 100
    assert [address for address in every - {*public} if kept.search(address)] == []


def test_lists_are_sent_through_as_they_come() -> None:
    streamed = rule("client_max_body_size 4g;")
    for path in (
        "/espace/listes/nouvelle/",
        "/en/espace/listes/envois/mot/",
        "/api/v1/lists",
        "/api/v1/uploads/mot",
    ):
        assert streamed.search(path)
    assert not streamed.search("/espace/listes/1/")
