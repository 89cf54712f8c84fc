"""Raise what is wrong, end what no longer is, and write to those concerned, once (worker only)."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Greatest
from django.urls import reverse
from django.utils import timezone

from audit.trail import PORTAL, insurer_scope, record
from insurers.models import Mandate, Role
from insurers.staff_mail import send_on_commit, staff_message
from insurers.team.people import people_with_role
from notifications.alerts.conditions import QUICK, Condition, conditions
from notifications.alerts.words import by_kind
from notifications.models import Alert, AlertKind

FOLDER = "notifications/messages/alerts"
LINES = 20
TOLD_AGAIN = timedelta(days=1)  # What comes and goes within it is on the page, and mailed once.
RAISING = 43  # the advisory lock of whoever compares: two would write twice
STAFF = (Role.PREPARER, Role.APPROVER)
TOLD_ELSEWHERE = {AlertKind.HALTED}  # `campaigns/halting.py` writes when it stops a campaign.


@transaction.atomic
def raise_alerts(*, now: datetime, kinds: Collection[AlertKind] = QUICK) -> list[Alert]:
    """Bring the alerts of these kinds up to date; return the new ones."""
    _alone()
    found = {condition.place: condition for condition in conditions(kinds, now=now)}
    standing = Alert.objects.filter(ended_at=None, kind__in=kinds)
    running = {_place(alert): alert for alert in standing}
    gone = [alert.pk for place, alert in running.items() if place not in found]
    # A clock may have been set back meanwhile.
    Alert.objects.filter(pk__in=gone).update(ended_at=Greatest("raised_at", Value(now)))
    lately = Alert.objects.filter(kind__in=kinds, mailed__gt=0, raised_at__gt=now - TOLD_AGAIN)
    told = {_place(alert) for alert in lately}
    raised = [_raise(found[place], now) for place in found if place not in running]
    _mail((alert for alert in raised if _place(alert) not in told), now)
    return raised


def _alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RAISING])


def _place(alert: Alert) -> tuple[str, object, object, str]:
    return alert.kind, alert.insurer_id, alert.breach_id, alert.subject


def _raise(condition: Condition, now: datetime) -> Alert:
    alert = Alert.objects.create(
        kind=condition.kind,
        insurer_id=condition.insurer_id,
        breach_id=condition.breach_id,
        subject=condition.subject,
        detail=condition.detail,
        is_for_operator=condition.is_for_operator,
        raised_at=now,
    )
    record(
        action="alert.raised",
        scope=insurer_scope(alert.insurer_id) if alert.insurer_id else PORTAL,
        subject=f"alert:{alert.pk}",
        detail={"kind": alert.kind},
    )
    return alert


def _mail(raised: Iterable[Alert], now: datetime) -> None:
    """Write one message to each person, of all that is new for them."""
    theirs: dict[str, list[Alert]] = defaultdict(list)
    for alert in raised:
        if alert.kind not in TOLD_ELSEWHERE:
            addresses = _concerned(alert, now)
            Alert.objects.filter(pk=alert.pk).update(mailed=len(addresses))
            for address in addresses:
                theirs[address].append(alert)
    link = settings.PORTAL_URL + reverse("alerts")
    send_on_commit(
        [
            staff_message(
                folder=FOLDER,
                context={
                    "groups": by_kind(alerts[:LINES]),
                    "count": len(alerts),
                    "more": max(len(alerts) - LINES, 0),
                    "link": link,
                },
                to=address,
            )
            for address, alerts in sorted(theirs.items())
        ]
    )


def _concerned(alert: Alert, now: datetime) -> set[str]:
    """Return the addresses of the insurer's staff, its auditors, and the operator where meant."""
    people = get_user_model().objects.filter(is_active=True)
    found = set()
    if alert.insurer_id is not None:
        staff = people_with_role(insurer_id=alert.insurer_id, roles=STAFF)
        found |= set(staff.values_list("email", flat=True))
    mandates = Mandate.objects.filter(until_date__gte=timezone.localdate(now))
    mandates = mandates.exclude(insurers=None)  # It opens nothing, the page of alerts included.
    if alert.insurer_id is not None:
        mandates = mandates.filter(insurers=alert.insurer_id)
    if alert.breach_id is not None:
        mandates = mandates.filter(breaches=alert.breach_id)
    auditors = people.filter(pk__in=mandates.values("user"))
    found |= set(auditors.values_list("email", flat=True))
    if alert.is_for_operator:
        found |= set(people.filter(is_staff=True).values_list("email", flat=True))
    return found
