"""The parts every page is made of: staff frame, fields, bars, dates."""

from datetime import date
from types import SimpleNamespace

import pytest
from django import forms
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils.translation import override

from insurers.numbers import spaced
from lookup.templatetags.charts import stacked_bar
from lookup.templatetags.pages import day, host


class Form(forms.Form):
    number = forms.CharField(label="Numéro", help_text="Sur la carte.")


@pytest.fixture
def request_of_paule() -> HttpRequest:
    request = RequestFactory().get("/espace/")
    request.user = SimpleNamespace(  # type: ignore[assignment]
        is_authenticated=True, email="paule@phare.example.fr"
    )
    request.staff = SimpleNamespace(role="staff")  # type: ignore[attr-defined]
    return request


def test_staff_pages_say_who_is_signed_in_and_sign_out_by_post(
    request_of_paule: HttpRequest,
) -> None:
    page = render_to_string("staff.html", request=request_of_paule)
    assert "paule@phare.example.fr" in page
    assert '<span class="tag">organisme</span>' in page
    assert '<form method="post" action="/compte/' in page
    assert "csrfmiddlewaretoken" in page


def test_staff_pages_say_in_words_what_a_colour_says(request_of_paule: HttpRequest) -> None:
    context = {"messages": [Message(40, "Refusé."), Message(25, "Envoyé.")]}
    page = render_to_string("staff.html", context, request=request_of_paule)
    assert '<p class="message-title">Impossible</p>' in page
    assert '<p class="message-title">C’est fait</p>' in page


def test_a_field_is_tied_to_its_hint_and_error() -> None:
    field = Form({})["number"]
    html = render_to_string("partials/field.html", {"field": field})
    described = field.aria_describedby
    assert described
    for name in described.split():
        assert f'id="{name}"' in html
    assert 'aria-invalid="true"' in html
    assert '<label for="id_number">' in html


def test_the_error_summary_leads_to_the_field() -> None:
    html = render_to_string("partials/error_summary.html", {"form": Form({})})
    assert '<a href="#id_number">Numéro</a>' in html


def test_a_form_without_error_has_no_summary() -> None:
    assert not render_to_string("partials/error_summary.html", {"form": Form()}).strip()


def test_a_stacked_bar_says_its_figures_as_text() -> None:
    html = stacked_bar([("told", "informées", 1500), ("unreachable", "injoignables", 500)], "État")
    assert 'class="bar bar-told" x="0.00" y="0" width="750.00"' in html
    assert "informées <strong>1\u202f500</strong>" in html
    assert "style=" not in html


def test_an_empty_bar_divides_by_nothing() -> None:
    assert "<rect" not in stacked_bar([("told", "informées", 0)], "État")


def test_dates_and_numbers_follow_the_language() -> None:
    assert (day(date(2024, 2, 1)), spaced(33_000_000)) == (
        "1er février 2024",
        "33\u202f000\u202f000",
    )
    with override("en"):
        assert spaced(33_000_000) == "33,000,000"
        assert "2024" in day(date(2024, 2, 1))


def test_pages_write_no_number_where_there_is_none() -> None:
    page = Template("{% load pages %}{{ ten|spaced }},{{ none|spaced }},{{ missing|spaced }}")
    assert page.render(Context({"ten": 10_000, "none": None})) == "10\u202f000,,"


def test_a_site_is_named_as_people_say_it() -> None:
    assert host("https://www.signal-spam.fr/x") == "signal-spam.fr"


@pytest.mark.parametrize("status", [400, 403, 404, "403_csrf"])
def test_error_pages_need_no_request(status: int | str) -> None:
    """Django renders some of them without one."""
    assert "<h1>" in render_to_string(f"{status}.html")
