"""Signing in and out, second factors, sessions, forgotten passwords: through allauth's pages."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, hotp_value
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.test import override_settings

from audit.models import AuditEntry
from breachportal import settings as portal_settings
from breachportal.models import User
from tests import cast
from tests.conftest import WebClient

pytestmark = pytest.mark.django_db

LOGIN = "/compte/login/"


@pytest.fixture(autouse=True)
def _no_attempt_yet() -> None:
    cache.clear()


def code_now(secret: str) -> str:
    return f"{hotp_value(secret, int(time.time()) // 30):06d}"


def secret_of(person: User) -> str:
    return str(decrypt(Authenticator.objects.get(user=person, type="totp").data["secret"]))


def without_second_factor(person: User) -> User:
    Authenticator.objects.filter(user=person).delete()
    return person


def give_password(client: WebClient, person: User, password: str = cast.PASSWORD) -> Any:
    return client.post(LOGIN, {"login": person.email, "password": password})


def test_password_then_code_open_the_portal(client: WebClient) -> None:
    paule = cast.paule()
    assert give_password(client, paule).headers["Location"] == "/compte/2fa/authenticate/"
    answer = client.post("/compte/2fa/authenticate/", {"code": code_now(secret_of(paule))})
    assert answer.headers["Location"] == "/compte/"
    assert client.get("/espace/equipe/").status_code == 200


def test_a_password_alone_opens_nothing(client: WebClient) -> None:
    give_password(client, cast.paule())
    assert client.get("/espace/equipe/").headers["Location"].startswith(LOGIN)


def test_a_recovery_code_stands_in_for_the_phone_once(client: WebClient) -> None:
    paule = cast.paule()
    spare = RecoveryCodes(Authenticator.objects.get(user=paule, type="recovery_codes"))
    code = spare.get_unused_codes()[0]
    for expected in (302, 200):
        client.logout()
        give_password(client, paule)
        assert client.post("/compte/2fa/authenticate/", {"code": code}).status_code == expected


def test_a_sign_in_is_in_the_portal_trail(client: WebClient) -> None:
    paule = without_second_factor(cast.paule())
    give_password(client, paule)
    entry = AuditEntry.objects.get()
    assert (entry.scope, entry.action) == ("portal", "account.signed_in")
    assert entry.actor == f"account:{paule.pk}"


@override_settings(PASSWORD_HASHERS=portal_settings.PASSWORD_HASHERS)
def test_passwords_are_stored_with_argon2id() -> None:
    paule = cast.paule()
    assert paule.password.startswith("argon2$argon2id$")
    assert paule.check_password(cast.PASSWORD)


def test_the_sixth_attempt_is_told_to_wait(client: WebClient) -> None:
    paule = cast.paule()
    for _attempt in range(5):
        answer = give_password(client, paule, "pas le bon mot de passe")
        assert "Trop de tentatives" not in answer.content.decode()
    assert "Trop de tentatives" in give_password(client, paule).content.decode()


def test_codes_are_limited_like_passwords(client: WebClient) -> None:
    paule = cast.paule()
    give_password(client, paule)
    for _attempt in range(5):
        client.post("/compte/2fa/authenticate/", {"code": "000000"})
    answer = client.post("/compte/2fa/authenticate/", {"code": code_now(secret_of(paule))})
    assert answer.status_code == 200
    assert "Trop de tentatives" in answer.content.decode()


def test_without_redis_signing_in_says_what_to_do(client: WebClient) -> None:
    paule = cast.paule()
    client.raise_request_exception = False
    stopped = settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/redis.sock?db=0"}
    with override_settings(CACHES={"default": stopped}):
        answer = give_password(client, paule)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "momentanément indisponible" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_sign_up_is_closed(client: WebClient) -> None:
    people = User.objects.count()
    answer = client.post("/compte/signup/", {"email": "a@example.fr", "password1": cast.PASSWORD})
    assert "invitation" in answer.content.decode()
    assert User.objects.count() == people


def test_setting_up_a_code_application_gives_recovery_codes(client: WebClient) -> None:
    paule = without_second_factor(cast.paule())
    give_password(client, paule)
    secret = client.get("/compte/2fa/totp/activate/").context["form"].secret
    answer = client.post("/compte/2fa/totp/activate/", {"code": code_now(secret)})
    assert answer.headers["Location"] == "/compte/2fa/recovery-codes/"
    assert len(client.get(answer.headers["Location"]).context["unused_codes"]) == 10
    assert client.get("/espace/equipe/").status_code == 200


def test_a_first_second_factor_ends_the_other_sessions(
    client: WebClient, django_capture_on_commit_callbacks: object
) -> None:
    paule = without_second_factor(cast.paule())
    elsewhere = WebClient()
    give_password(elsewhere, paule)
    give_password(client, paule)
    secret = client.get("/compte/2fa/totp/activate/").context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        client.post("/compte/2fa/totp/activate/", {"code": code_now(secret)})
    assert client.get("/espace/equipe/").status_code == 200
    assert elsewhere.get("/espace/equipe/").headers["Location"].startswith(LOGIN)


def test_changing_a_second_factor_asks_for_the_password_again(client: WebClient) -> None:
    cast.sign_in(client, cast.paule())
    answer = client.get("/compte/2fa/totp/deactivate/")
    assert answer.headers["Location"].startswith("/compte/reauthenticate/")


def test_second_factor_secrets_are_sealed_in_the_database() -> None:
    paule = cast.paule()
    stored = Authenticator.objects.get(user=paule, type="totp")
    assert TOTP(stored).validate_code(code_now(secret_of(paule)))
    assert secret_of(paule) not in stored.data["secret"]


@pytest.mark.parametrize("known", [True, False])
def test_a_forgotten_password_tells_nothing_of_who_has_an_account(
    client: WebClient, known: bool
) -> None:
    email = cast.paule().email if known else "inconnue@example.fr"
    answer = client.post("/compte/password/reset/", {"email": email}, follow=True)
    assert answer.redirect_chain == [("/compte/password/reset/done/", 302)]
    assert email not in answer.content.decode()
    assert len(mail.outbox) == 1
    assert ("/password/reset/key/" in mail.outbox[0].body) is known


def test_a_forgotten_password_is_chosen_again_and_ends_every_session(client: WebClient) -> None:
    paule = cast.paule()
    elsewhere = cast.sign_in(WebClient(), paule)
    client.post("/compte/password/reset/", {"email": paule.email})
    link = re.search(r"/compte/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link
    page = client.get(link.group(), follow=True)
    address, chosen = page.redirect_chain[-1][0], "un nouveau phare au large 7"
    client.post(address, {"password1": chosen, "password2": chosen})
    paule.refresh_from_db()
    assert paule.check_password(chosen)
    assert elsewhere.get("/espace/equipe/").headers["Location"].startswith(LOGIN)
    assert client.get("/espace/equipe/").headers["Location"].startswith(LOGIN)


def test_sessions_are_listed_and_the_others_ended(client: WebClient) -> None:
    paule = without_second_factor(cast.paule())
    elsewhere = WebClient(headers={"User-Agent": "Navigateur du café"})
    give_password(elsewhere, paule)
    give_password(client, paule)
    TOTP.activate(paule, "A" * 32)
    assert "Navigateur du café" in client.get("/compte/sessions/").content.decode()
    client.post("/compte/sessions/")
    assert elsewhere.get("/compte/sessions/").headers["Location"].startswith(LOGIN)
    assert client.get("/compte/sessions/").status_code == 200


def test_signing_out_takes_a_post(client: WebClient) -> None:
    cast.sign_in(client, cast.paule())
    client.get("/compte/logout/")
    assert client.get("/espace/equipe/").status_code == 200
    client.post("/compte/logout/")
    assert client.get("/espace/equipe/").status_code == 302


def test_nobody_changes_an_address_alone(client: WebClient) -> None:
    assert cast.sign_in(client, cast.paule()).get("/compte/email/").status_code == 404


def test_the_admin_asks_for_the_same_sign_in(client: WebClient) -> None:
    for page in ("/admin/", "/admin/login/"):
        assert client.get(page).headers["Location"] == f"{LOGIN}?next={page}"
    assert client.post("/admin/login/").status_code == 302
    odile = without_second_factor(cast.odile())
    cast.sign_in(client, odile)
    assert client.get("/admin/").headers["Location"] == "/compte/2fa/"


@pytest.mark.parametrize(("who", "status"), [("odile", 200), ("armand", 403), ("aude", 403)])
def test_the_admin_is_the_operators(client: WebClient, who: str, status: int) -> None:
    cast.sign_in(client, getattr(cast, who)())
    assert client.get("/admin/", follow=True).status_code == status


@pytest.mark.parametrize(
    ("who", "home"), [("paule", "/espace/"), ("aude", "/registre/"), ("odile", "/admin/")]
)
def test_each_role_arrives_at_its_first_page(client: WebClient, who: str, home: str) -> None:
    cast.sign_in(client, getattr(cast, who)())
    assert client.get("/compte/").headers["Location"] == home


def test_an_account_without_a_role_is_told_why(client: WebClient) -> None:
    cast.sign_in(client, cast.user("nadia"))
    assert "n’a pas encore de rôle" in client.get("/compte/").content.decode()
