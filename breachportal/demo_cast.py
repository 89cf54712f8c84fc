"""The demonstration's fictional insurers and people, tied to the real breach of 2024."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from breachportal.models import User
from insurers.models import (
    Affiliation,
    Breach,
    Declaration,
    ImpactReport,
    ImpactStatus,
    Insurer,
    Mandate,
    Membership,
    Operator,
    Role,
    Source,
)
from insurers.row_security import row_scope

INSURER_SLUG = "mutuelle-du-phare-demonstration"
# Of which nobody knows anything: people can ask to be told.
UNKNOWN_SLUG = "mutuelle-du-sable-demonstration"
# It has declared to be concerned, then listed nobody, and the authority waits.
LATE_SLUG = "mutuelle-de-la-dune-demonstration"
BREACH_SLUG = "viamedis-almerys-2024"
OPERATOR_CODE = "viamedis"


@dataclass(frozen=True)
class Account:
    """An account of the demonstration, with what it takes to sign in."""

    email: str
    role: str
    password: str
    totp_secret: str


@dataclass(frozen=True)
class Cast:
    """The fictional insurer with the accounts that act in the story."""

    insurer: Insurer
    breach: Breach
    preparer: User
    approver: User
    accounts: tuple[Account, ...]


def create_cast(*, now: datetime) -> Cast:
    """Create the insurer, its staff, an auditor and two portal operators, in one transaction."""
    with row_scope(insurers=(), role="operator", user_id=None):
        breach = Breach.objects.get(slug=BREACH_SLUG)
        insurer = _insurer(breach, now)
        Insurer.objects.create(
            slug=UNKNOWN_SLUG, name="Mutuelle du Sable (démonstration)", is_demo=True
        )
        people = [
            _person("odile", "Odile Exploitante", "exploitante du portail", is_staff=True),
            _person("octave", "Octave Exploitant", "exploitant du portail", is_staff=True),
            _person("preparatrice", "Paule Préparatrice", "préparatrice"),
            _person("approbateur", "Armand Approbateur", "approbateur (délégué)"),
            _person("lectrice", "Vera Lectrice", "lectrice"),
            _person("auditrice", "Aude Auditrice", "auditrice"),
        ]
        odile, octave, paule, armand, vera, aude = (person for person, _ in people)
        for person, role in (
            (paule, Role.PREPARER),
            (armand, Role.APPROVER),
            (vera, Role.VIEWER),
        ):
            Membership.objects.create(
                user=person,
                insurer=insurer,
                role=role,
                invited_by=odile,
                created_at=now,
                confirmed_by=octave,
                confirmed_at=now,
            )
        mandate = Mandate.objects.create(
            user=aude, until_date=(now + timedelta(days=365)).date(), created_at=now
        )
        mandate.breaches.add(breach)
        late, prudence = _late_insurer(invited_by=odile, confirmed_by=octave, now=now)
        mandate.insurers.add(insurer, late)
    with row_scope(insurers=[insurer.pk], role="staff", user_id=paule.pk):
        Declaration.objects.create(
            breach=breach,
            insurer=insurer,
            is_concerned=True,
            operator_notice_at=now - timedelta(hours=26),
            awareness_at=now - timedelta(hours=25),
            expected_people=None,
            declared_by=paule,
            declared_at=now,
        )
    with row_scope(insurers=[late.pk], role="staff", user_id=prudence.pk):
        Declaration.objects.create(
            breach=breach,
            insurer=late,
            is_concerned=True,
            operator_notice_at=now - timedelta(days=6),
            awareness_at=now - timedelta(days=5),
            expected_people=12_000,
            declared_by=prudence,
            declared_at=now - timedelta(days=4),
        )
    accounts = tuple(account for _, account in people)
    return Cast(insurer=insurer, breach=breach, preparer=paule, approver=armand, accounts=accounts)


def _insurer(breach: Breach, now: datetime) -> Insurer:
    source = Source.objects.get_or_create(
        url="Exemple fictif de la démonstration",
        defaults={"publisher": "Démonstration", "kind": "fiction", "published_date": now.date()},
    )[0]
    insurer = Insurer.objects.create(
        slug=INSURER_SLUG,
        name="Mutuelle du Phare (démonstration)",
        dpo_name="Dominique Phare (personne fictive)",
        contact_email="dpo@phare.example.fr",
        contact_phone="01 99 00 00 01",
        contact_address="1 quai du Phare, 00000 Exempleville (adresse fictive)",
        is_demo=True,
    )
    insurer.aliases.create(name="Phare")
    operator = Operator.objects.get(code=OPERATOR_CODE)
    Affiliation.objects.create(insurer=insurer, operator=operator, source=source)
    ImpactReport.objects.create(
        breach=breach,
        insurer=insurer,
        operator=operator,
        status=ImpactStatus.CONCERNED,
        announced_date=now.date(),
        source=source,
    )
    return insurer


def _late_insurer(*, invited_by: User, confirmed_by: User, now: datetime) -> tuple[Insurer, User]:
    """Create the insurer that is late, and who declared for it; nobody signs in as that person."""
    late = Insurer.objects.create(
        slug=LATE_SLUG, name="Mutuelle de la Dune (démonstration)", is_demo=True
    )
    prudence, _account = _person(
        "preparatrice", "Prudence Dune", "préparatrice", domain="dune.example.fr"
    )
    Membership.objects.create(
        user=prudence,
        insurer=late,
        role=Role.PREPARER,
        invited_by=invited_by,
        created_at=now,
        confirmed_by=confirmed_by,
        confirmed_at=now,
    )
    return late, prudence


def _person(
    name: str,
    full_name: str,
    role: str,
    *,
    domain: str = "phare.example.fr",
    is_staff: bool = False,
) -> tuple[User, Account]:
    account = Account(
        email=f"{name}@{'portail.example.fr' if is_staff else domain}",
        role=role,
        password=secrets.token_urlsafe(9),
        totp_secret=generate_totp_secret(),
    )
    person = User.objects.create_user(
        account.email, account.password, name=full_name, is_staff=is_staff, is_superuser=is_staff
    )
    TOTP.activate(person, account.totp_secret)
    RecoveryCodes.activate(person)
    return person, account
