"""The trail as people read it: one chain at a time, the latest entries first.

The page stands here rather than in `audit` because it names insurers and accounts.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from audit.models import AuditEntry
from audit.trail import PORTAL, insurer_scope
from insurers.models import Insurer
from insurers.permissions import Refused, StaffScope, staff_of

PAGE = 50


class TrailForm(forms.Form):
    """Which chain, which actions, which days (both included)."""

    chain = forms.ChoiceField(label=_("Journal de"), required=False)
    action = forms.CharField(
        label=_("Action"),
        required=False,
        max_length=60,
        help_text=_("Le début suffit : list, campaign.approved…"),
    )
    from_date = forms.DateField(
        label=_("Du"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    to_date = forms.DateField(
        label=_("Au"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args: Any, chains: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["chain"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = chains


@dataclass(frozen=True)
class Row:
    """An entry with its author named for people."""

    entry: AuditEntry
    author: str


@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    """Show one chain; row-level security holds the choice of chains underneath."""
    chains = _chains(staff_of(request))
    if not chains:
        raise Refused
    form = TrailForm(request.GET, chains=chains)
    wanted = form.cleaned_data if form.is_valid() else {}
    chain = wanted.get("chain") or chains[0][0]
    entries = list(_entries(chain, wanted)[: PAGE + 1])
    older = request.GET.copy()
    if len(entries) > PAGE:
        older["before"] = str(entries[PAGE - 1].sequence)
    return render(
        request,
        "insurers/trail.html",
        {
            "form": form,
            "chain": chain,
            "chain_name": dict(chains)[chain],
            "rows": _rows(entries[:PAGE]),
            "older": older.urlencode() if len(entries) > PAGE else "",
        },
    )


def _chains(scope: StaffScope) -> list[tuple[str, str]]:
    """Return the chains that a person may read, with their names; theirs first."""
    chains = [
        (insurer_scope(insurer.pk), insurer.name)
        for insurer in Insurer.objects.filter(pk__in=scope.insurer_ids)
    ]
    if scope.role in ("operator", "auditor"):
        chains.append((PORTAL, gettext("Portail")))
    return chains


def _entries(chain: str, wanted: dict[str, Any]) -> Any:
    entries = AuditEntry.objects.filter(scope=chain).order_by("-sequence")
    if action := wanted.get("action"):
        entries = entries.filter(action__startswith=action)
    first, last = wanted.get("from_date"), wanted.get("to_date")
    if isinstance(first, date):
        entries = entries.filter(at__date__gte=first)
    if isinstance(last, date):
        entries = entries.filter(at__date__lte=last)
    if before := wanted.get("before"):
        entries = entries.filter(sequence__lt=before)
    return entries


def _rows(entries: list[AuditEntry]) -> list[Row]:
    numbers = {entry.actor: entry.actor.removeprefix("account:") for entry in entries}
    people = get_user_model().objects.filter(
        pk__in=[number for number in numbers.values() if number.isdigit()]
    )
    names = {str(person.pk): person.name or person.email for person in people}
    return [Row(entry, names.get(numbers[entry.actor], entry.actor)) for entry in entries]
