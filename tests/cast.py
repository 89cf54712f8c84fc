"""The people and organisations of the tests, all fictional, each with a part to play.

Mutuelle du Phare has Paule (preparer), Armand (approver) and Vera (viewer); Mutuelle de la
Dune has Didier, who must never see anything of the Phare's. Aude audits, Odile operates the
portal. Two operators were breached: Alphapay and Betapay.
"""

from datetime import UTC, date, datetime

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from breachportal.models import User
from insurers.models import (
    Affiliation,
    Breach,
    BreachOperator,
    DataCategory,
    Declaration,
    ExposedData,
    ImpactReport,
    Insurer,
    Mandate,
    Membership,
    Operator,
    Population,
    Role,
    Source,
)

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PASSWORD = "un phare dans la nuit 42"


def source() -> Source:
    return Source.objects.get_or_create(
        url="https://journal.example.fr/article", defaults={"publisher": "Journal d’exemple"}
    )[0]


def insured_people() -> Population:
    return Population.objects.get_or_create(
        code="insured_people", defaults={"label_fr": "Assurés", "label_en": "Insured people"}
    )[0]


def operator(code: str = "alphapay") -> Operator:
    return Operator.objects.get_or_create(code=code, defaults={"name": code.capitalize()})[0]


def breach() -> Breach:
    """The breach of Alphapay and Betapay: birth date exposed, bank details not."""
    found, created = Breach.objects.get_or_create(
        slug="alphapay-betapay-2026",
        defaults={
            "name_fr": "Violation Alphapay et Betapay (fictive)",
            "name_en": "Alphapay and Betapay breach (fictional)",
            "summary_fr": "Des comptes de professionnels ont été détournés.",
            "summary_en": "Accounts of professionals were hijacked.",
            "announced_date": date(2026, 2, 20),
        },
    )
    if created:
        for code in ("alphapay", "betapay"):
            BreachOperator.objects.create(
                breach=found, operator=operator(code), detected_date=date(2026, 2, 18)
            )
            for category, fr, en, exposed in (
                ("birth_date", "Date de naissance", "Date of birth", True),
                ("member_number", "Numéro d’adhérent", "Member number", True),
                ("bank_details", "Coordonnées bancaires", "Bank details", False),
            ):
                ExposedData.objects.create(
                    breach=found,
                    operator=operator(code),
                    population=insured_people(),
                    category=DataCategory.objects.get_or_create(
                        code=category, defaults={"label_fr": fr, "label_en": en}
                    )[0],
                    is_exposed=exposed,
                    certainty="confirmed" if exposed else "stated",
                )
    return found


def insurer(slug: str = "mutuelle-du-phare", name: str = "Mutuelle du Phare (fictive)") -> Insurer:
    """An insurer of Alphapay's, concerned by the breach."""
    found, created = Insurer.objects.get_or_create(
        slug=slug,
        defaults={
            "name": name,
            "dpo_name": "Dominique Phare",
            "contact_email": "dpo@phare.example.fr",
            "contact_phone": "01 99 00 00 01",
            "contact_address": "1 quai du Phare, 29000 Exempleville",
            "is_demo": True,
        },
    )
    if created:
        Affiliation.objects.create(insurer=found, operator=operator(), source=source())
        ImpactReport.objects.create(
            breach=breach(),
            insurer=found,
            operator=operator(),
            status="concerned",
            announced_date=date(2026, 2, 21),
            source=source(),
        )
    return found


def phare() -> Insurer:
    return insurer()


def phare_at_both_operators() -> Insurer:
    """The Phare, which Betapay serves too."""
    Affiliation.objects.create(insurer=phare(), operator=operator("betapay"), source=source())
    return phare()


def dune() -> Insurer:
    return insurer("mutuelle-de-la-dune", "Mutuelle de la Dune (fictive)")


def _address(name: str) -> str:
    return f"{name}@phare.example.fr"


def user(name: str, **fields: bool) -> User:
    """An account with a second factor."""
    email = _address(name)
    found = User.objects.filter(email=email).first()
    if found is None:
        found = User.objects.create_user(email, PASSWORD, name=name.capitalize(), **fields)
        TOTP.activate(found, generate_totp_secret())
        RecoveryCodes.activate(found)
    return found


def member_of(place: Insurer, name: str, role: Role) -> User:
    found = Membership.objects.filter(user__email=_address(name), insurer=place, role=role)
    if membership := found.select_related("user").first():
        return membership.user
    person = user(name)
    Membership.objects.create(
        user=person,
        insurer=place,
        role=role,
        invited_by=odile(),
        created_at=NOW,
        confirmed_by=user("olga", is_staff=True, is_superuser=True),
        confirmed_at=NOW,
    )
    return person


def odile() -> User:
    return user("odile", is_staff=True, is_superuser=True)


def paule() -> User:
    return member_of(phare(), "paule", Role.PREPARER)


def armand() -> User:
    return member_of(phare(), "armand", Role.APPROVER)


def vera() -> User:
    return member_of(phare(), "vera", Role.VIEWER)


def didier() -> User:
    return member_of(dune(), "didier", Role.PREPARER)


def aude() -> User:
    """An auditor with a mandate over the breach and the Phare, until 2099."""
    person = user("aude")
    mandate, created = Mandate.objects.get_or_create(
        user=person, defaults={"until_date": date(2099, 12, 31), "created_at": NOW}
    )
    if created:
        mandate.breaches.add(breach())
        mandate.insurers.add(phare())
    return person


def declaration(place: Insurer | None = None) -> Declaration:
    return Declaration.objects.get_or_create(
        breach=breach(),
        insurer=place or phare(),
        defaults={
            "is_concerned": True,
            "awareness_at": NOW,
            "operator_notice_at": NOW,
            "expected_people": 10,
            "declared_by": paule(),
            "declared_at": NOW,
        },
    )[0]


def sign_in(client: Client, person: User) -> Client:
    """Sign in as if password and second factor had just been given."""
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
