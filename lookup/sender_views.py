"""The page that says who writes to people, for whoever received a message and doubts it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lookup.public import public_page
from lookup.senders import senders_page


@public_page
def senders(request: HttpRequest) -> HttpResponse:
    """List the declared senders, with what the DNS last said of their domains."""
    return render(request, "lookup/senders.html", {"page": senders_page()})
