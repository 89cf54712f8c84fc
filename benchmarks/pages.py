"""How long a page takes, through every middleware, for somebody who is signed in."""

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insurers.models import AffectedList


def seconds_to_open(affected_list: "AffectedList", *, times: int = 15) -> float:
    """Return the median time that the list's page takes."""
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.test import Client
    from django.utils import timezone

    from breachportal.models import User
    from insurers.models import Membership, Role

    preparer = User.objects.create_user("preparer@phare.example.fr", "un phare dans la nuit 42")
    operator = User.objects.create_user("operator@phare.example.fr", None, is_staff=True)
    other = User.objects.create_user("other@phare.example.fr", None, is_staff=True)
    TOTP.activate(preparer, generate_totp_secret())
    Membership.objects.create(
        user=preparer,
        insurer=affected_list.insurer,
        role=Role.PREPARER,
        invited_by=operator,
        created_at=timezone.now(),
        confirmed_by=other,
        confirmed_at=timezone.now(),
    )
    client = Client(headers={"x-forwarded-proto": "https", "host": "portail.example.fr"})
    client.force_login(preparer, backend="allauth.account.auth_backends.AuthenticationBackend")
    spent = []
    for _ in range(times):
        started = time.monotonic()
        response = client.get(f"/espace/listes/{affected_list.pk}/")
        spent.append(time.monotonic() - started)
        assert response.status_code == 200, response.status_code
    return statistics.median(spent)
