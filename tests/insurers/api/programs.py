"""Programs of the insurers, as the tests play them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from breachportal.models import User
from insurers.api.tokens import NewToken, create_token
from insurers.models import Insurer, Role, TokenScope
from tests import cast
from tests.conftest import WebClient


def new_token(
    *,
    place: Insurer | None = None,
    by: User | None = None,
    scopes: Sequence[TokenScope] = tuple(TokenScope),
    now: datetime | None = None,
) -> NewToken:
    return create_token(
        insurer=place or cast.phare(),
        name="export de nuit",
        scopes=scopes,
        lasts=timedelta(days=90),
        created_by_id=(by or cast.armand()).pk,
        now=now or timezone.now(),
    )


def dune_token() -> NewToken:
    return new_token(place=cast.dune(), by=cast.member_of(cast.dune(), "diane", Role.APPROVER))


class Program:
    """A program that presents a token, over requests with the rights of the web role."""

    def __init__(self, secret: str) -> None:
        self.client = WebClient(REMOTE_ADDR="198.51.100.9")
        self.secret = secret

    def call(self, method: str, address: str, body: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method,
            address,
            body,
            content_type="application/octet-stream",
            headers={"Authorization": f"Bearer {self.secret}", **named},
        )

    def send(self, content: bytes, query: str = "", **headers: str) -> Any:
        breach = cast.breach().slug
        cast.insured_people()
        return self.call("POST", f"/api/v1/lists?breach={breach}{query}", content, **headers)
