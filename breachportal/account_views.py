"""Where people arrive after sign-in, and the one door to the Django admin."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from insurers.permissions import require_operator, staff_of

HOMES = {"staff": "space", "auditor": "register", "operator": "admin:index"}


@require_safe
def home_for_staff(request: HttpRequest) -> HttpResponse:
    """Lead each role to its first page; a role that waits gets an explanation."""
    if home := HOMES.get(staff_of(request).role):
        return redirect(home)
    return render(request, "account/no_role.html")


@require_safe
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Stand in for the admin's own sign-in page, which asks for no second factor."""
    require_operator(staff_of(request))
    return redirect("admin:index")
