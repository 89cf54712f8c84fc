"""The public pages: read, never ask who reads."""

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render

from insurers.models import Advice, Breach, Insurer, Operator
from lookup import open_data as exports
from lookup.answers import (
    answers_of_all,
    breaches_with_facts,
    data_lists,
    read_page,
)
from lookup.kept_pages import render_filled
from lookup.public import directory_page, public_page
from lookup.search import QUERY_MAX, normalise, search_insurers
from lookup.statements import statements_of
from lookup.waiting.answered import is_answered
from lookup.waiting.forms import WaitingForm
from notifications.evidence.keys import published_keys

INSURED = "insured_people"
PROFESSIONALS = "health_professionals"
ADVICE_ON_INSURER_PAGE = 6
# Of the declaration, renewed with it; the tests that it lists are in tests/whole_way.
DECLARED_ACCESSIBLE_DATE = date(2026, 11, 28)
ADVICE_ON_POSTER = ("no_click", "never_give_codes")


@directory_page
def home(request: HttpRequest) -> HttpResponse:
    """Ask which insurer, and show what `?q=` finds."""
    query = _query(request)
    if not query:
        return render(request, "lookup/home.html", {"breaches": _real_breaches()})
    found = _found(query)
    return render_filled(
        request,
        "lookup/home.html",
        lambda: found | {"breaches": _real_breaches()},
        kept_by=(found["only_close"], *found["hits"]),
        texts={"query": query},
    )


@public_page
def suggestions(request: HttpRequest) -> HttpResponse:
    """Return the part of the home page that htmx renews while somebody types."""
    query = _query(request)
    found = _found(query) | {"query": query}
    # A name half typed is not a name that is missing: only the whole search says so.
    return render(request, "lookup/_suggestions.html", found if found["hits"] else {"hits": []})


@directory_page
def insurer(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer for one insurer, with the grounds and what to do."""
    everyone = Insurer.objects.select_related("successor")
    found = get_object_or_404(everyone.prefetch_related("aliases", "amc_numbers"), slug=slug)
    page, statements = read_page(found), statements_of(found)
    context = {
        "page": page,
        "statements": statements,
        "waiting_form": None if is_answered(page, statements) else WaitingForm(),
        "insurer": found,
        "other_names": _other_names(found),
        "predecessors": list(found.predecessors.all()),
        "advice": _advice(INSURED)[:ADVICE_ON_INSURER_PAGE],
    }
    return render(request, "lookup/insurer.html", context)


@directory_page
def poster(request: HttpRequest, slug: str) -> HttpResponse:
    """Say on one printed sheet what is known of an insurer, and how to check it."""
    found = get_object_or_404(Insurer.objects.select_related("successor"), slug=slug)
    advice = Advice.objects.filter(code__in=ADVICE_ON_POSTER)
    context = {"page": read_page(found), "insurer": found, "advice": advice}
    return render(request, "lookup/poster.html", context)


@directory_page
def insurers(request: HttpRequest) -> HttpResponse:
    """List every insurer of the directory, or those of `?operateur=`."""
    operators = list(Operator.objects.all())
    code, chosen = request.GET.get("operateur"), None
    everyone = Insurer.objects.all()
    if code:
        chosen = next((one for one in operators if one.code == code), None)
        if chosen is None:
            raise Http404
        everyone = everyone.filter(affiliations__operator=chosen).distinct()
    rows = sorted(answers_of_all(everyone), key=lambda row: normalise(row[0].name))
    context = {"rows": rows, "operators": operators, "chosen": chosen}
    return render(request, "lookup/insurers.html", context)


@directory_page
def breaches(request: HttpRequest) -> HttpResponse:
    """List the breaches."""
    return render(request, "lookup/breaches.html", {"breaches": Breach.objects.all()})


@directory_page
def breach(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the facts of one breach with their sources."""
    related = (
        "sources",
        "operator_parts__sources",
        "exposed_data__sources",
        "timeline__sources",
        "caveats__sources",
        "conflicts__sources",
    )
    found = get_object_or_404(breaches_with_facts().prefetch_related(*related), slug=slug)
    context = {"breach": found, "data_lists": data_lists(found)}
    return render(request, "lookup/breach.html", context)


@directory_page
def advice(request: HttpRequest) -> HttpResponse:
    """Say what to do now, and where to report."""
    context = {"insured": _advice(INSURED), "professionals": _advice(PROFESSIONALS)}
    return render(request, "lookup/advice.html", context)


@directory_page
def legal(request: HttpRequest) -> HttpResponse:
    """Name who publishes and hosts this installation, and the key that it signs evidence with."""
    return render(request, "lookup/legal.html", {"evidence_keys": published_keys()})


@directory_page
def privacy(request: HttpRequest) -> HttpResponse:
    """Tell what GDPR Article 13 asks: who processes what, why, for how long, which rights."""
    return render(request, "lookup/privacy.html")


@directory_page
def accessibility(request: HttpRequest) -> HttpResponse:
    """State how accessible the portal is, and how to complain."""
    return render(request, "lookup/accessibility.html", {"declared_on": DECLARED_ACCESSIBLE_DATE})


@directory_page
def open_data(request: HttpRequest) -> HttpResponse:
    """Describe the open data."""
    context = {"licence": exports.LICENCE, "licence_url": exports.LICENCE_URL}
    return render(request, "lookup/open_data.html", context)


@directory_page
def insurers_csv(request: HttpRequest) -> HttpResponse:
    """Return the directory as CSV."""
    response = HttpResponse(exports.directory_csv(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="organismes.csv"'
    return _licensed(response)


@directory_page
def insurers_json(request: HttpRequest) -> HttpResponse:
    """Return the directory as JSON, with its licence."""
    content = {
        "licence": exports.LICENCE,
        "licence_url": exports.LICENCE_URL,
        "columns": exports.COLUMNS,
        "rows": list(exports.directory_rows()),
    }
    return _licensed(JsonResponse(content, json_dumps_params={"ensure_ascii": False}))


@public_page
def robots(request: HttpRequest) -> HttpResponse:
    """Keep search engines off the suggestions."""
    rules = "User-agent: *\nDisallow: /recherche/\nDisallow: /en/recherche/\n"
    return HttpResponse(rules, content_type="text/plain; charset=utf-8")


def _query(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:QUERY_MAX]


def _found(query: str) -> dict[str, Any]:
    """Return what a page shows of the insurers found: not how well each name fits."""
    hits = search_insurers(query) if query else []
    return {
        "hits": [(hit.entry, hit.matched) for hit in hits],
        "only_close": all(hit.is_close for hit in hits),
    }


def _real_breaches() -> QuerySet[Breach]:
    return Breach.objects.filter(is_demo=False)


def _other_names(insurer: Insurer) -> list[str]:
    """Return the names worth reading: not those that differ by an accent only."""
    own = normalise(insurer.name)
    names = {normalise(alias.name): alias.name for alias in reversed(insurer.aliases.all())}
    return [name for bare, name in reversed(names.items()) if bare not in own]


def _advice(population: str) -> QuerySet[Advice]:
    return Advice.objects.filter(population__code=population).prefetch_related("sources")


def _licensed(response: HttpResponse) -> HttpResponse:
    response["Link"] = f'<{exports.LICENCE_URL}>; rel="license"'
    response["Access-Control-Allow-Origin"] = "*"
    return response
