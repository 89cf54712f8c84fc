"""What an insurer declares for a breach: the dates that start the clocks."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit.trail import account, insurer_scope, record
from insurers.models import Breach, Declaration, Role
from insurers.permissions import readable_insurers, require_role, staff_of

MOMENTS = ("operator_notice_at", "awareness_at", "authority_notified_at")


class DeclarationForm(forms.ModelForm[Declaration]):
    """Concerned or not, since when known, how many people, when the authority was notified."""

    class Meta:
        model = Declaration
        fields = (
            "is_concerned",
            "operator_notice_at",
            "awareness_at",
            "expected_people",
            "authority_notified_at",
            "authority_reference",
        )
        widgets: ClassVar = {
            name: forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
            for name in MOMENTS
        }
        labels: ClassVar = {
            "is_concerned": gettext_lazy("Des personnes que nous assurons sont concernées")
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("is_concerned") and not cleaned.get("awareness_at"):
            self.add_error(
                "awareness_at",
                _("Donnez la date à laquelle vous avez su que des personnes sont concernées."),
            )
        if cleaned.get("authority_reference") and not cleaned.get("authority_notified_at"):
            self.add_error(
                "authority_notified_at", _("Donnez la date de la notification à l’autorité.")
            )
        for name in MOMENTS:
            if cleaned.get(name) and cleaned[name] > timezone.now():
                self.add_error(name, _("Cette date est dans l’avenir : corrigez-la."))
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show and store an insurer's declaration; each change is in the trail."""
    scope = staff_of(request)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_role(scope, insurer.pk, Role.PREPARER, Role.APPROVER)
    breach = get_object_or_404(Breach, slug=breach_slug)
    declaration = Declaration.objects.filter(breach=breach, insurer=insurer).first()
    form = DeclarationForm(
        request.POST or None, instance=declaration or Declaration(breach=breach, insurer=insurer)
    )
    if request.method == "POST" and form.is_valid():
        stored = form.save(commit=False)
        stored.declared_by_id, stored.declared_at = scope.user_id, timezone.now()
        stored.save()
        record(
            action="declaration.saved",
            scope=insurer_scope(insurer.pk),
            actor=account(scope.user_id),
            subject=f"breach:{breach.pk}",
            detail={"concerned": stored.is_concerned, "changed": sorted(form.changed_data)},
        )
        messages.success(request, _("Déclaration enregistrée."))
        return redirect("space")
    return render(
        request,
        "insurers/declaration.html",
        {"form": form, "breach": breach, "insurer": insurer},
    )
