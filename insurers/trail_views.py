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
from audit.trail import PORTAL, account, insurer_scope, token
from insurers.models import ApiToken, Insurer
from insurers.permissions import Refused, StaffScope, staff_of
from insurers.trail_words import ACTIONS, KINDS, Detail, action_words, detail_words, subject_words

PAGE = 50


class TrailForm(forms.Form):
    """Which chain, which actions, which days (both included)."""

    chain = forms.ChoiceField(label=_("Journal de"), required=False)
    action = forms.ChoiceField(label=_("Action"), required=False)
    from_date = forms.DateField(
        label=_("Du"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    to_date = forms.DateField(
        label=_("Au"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args: Any, chains: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("chain", chains), ("action", _actions())):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices


@dataclass(frozen=True)
class Row:
    """An entry with its author named and its codes in words."""

    entry: AuditEntry
    author: str
    action: str
    subject: str
    details: list[Detail]


def _actions() -> list[Any]:
    """Return the choices of actions: a whole kind, or one action of it."""
    groups: list[Any] = [("", gettext("Toutes"))]
    for kind, name in KINDS.items():
        own = [(code, words) for code, words in ACTIONS.items() if code.startswith(f"{kind}.")]
        groups.append((name, [(f"{kind}.", gettext("%(kind)s : tout") % {"kind": name}), *own]))
    return groups


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
            "rows": named(entries[:PAGE]),
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


def named(entries: list[AuditEntry]) -> list[Row]:
    """Return entries with their authors named and their codes in words."""
    names: dict[str, str] = {"system": gettext("le portail")}
    people = get_user_model().objects.filter(pk__in=_numbers(entries, "account:"))
    names |= {account(person.pk): person.name or person.email for person in people}
    tokens = ApiToken.objects.filter(pk__in=_numbers(entries, "token:"))
    names |= {token(one.pk): gettext("jeton « %s »") % one.name for one in tokens}
    return [
        Row(
            entry=entry,
            author=names.get(entry.actor, entry.actor),
            action=action_words(entry.action),
            subject=subject_words(entry.subject),
            details=detail_words(entry),
        )
        for entry in entries
    ]


def _numbers(entries: list[AuditEntry], kind: str) -> set[int]:
    found = {entry.actor.removeprefix(kind) for entry in entries if entry.actor.startswith(kind)}
    return {int(number) for number in found if number.isdigit()}
