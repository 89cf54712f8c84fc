"""Follow a campaign: what is to be approved, how far it is, how fast it goes."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from insurers.permissions import readable, staff_of
from notifications.campaigns.page import campaign_page, course_shown, progress_of
from notifications.campaigns.requests import campaign_of
from notifications.models import Campaign
from notifications.register.figures import campaign_figures


@require_safe
def campaign_list(request: HttpRequest) -> HttpResponse:
    """List the campaigns of the person's insurers."""
    mine = readable(staff_of(request), Campaign.objects.all())
    campaigns = mine.select_related("insurer", "breach", "affected_list")
    lines = [(campaign, campaign_figures(campaign)) for campaign in campaigns]
    return render(request, "notifications/campaign_list.html", {"lines": lines})


@require_safe
def campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show what is, or was, approved, and how far it is."""
    return campaign_page(request, campaign_of(request, campaign_id))


@require_safe
def campaign_progress(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the part of the page that htmx renews, from tallies only."""
    found = campaign_of(request, campaign_id)
    return render(request, "notifications/_campaign_progress.html", progress_of(found))


@require_safe
def campaign_course(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the chart over time and its table, which htmx renews less often."""
    found = campaign_of(request, campaign_id)
    return render(request, "notifications/_campaign_course.html", course_shown(found))
