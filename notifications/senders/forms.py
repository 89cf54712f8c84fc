"""The form by which an insurer proposes its sending identity."""

import re
from typing import Any
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from notifications.channels.connecting import IMAP_PORTS, SMTP_PORTS
from notifications.channels.providers import PROVIDERS
from notifications.models import Encryption, Transport
from notifications.senders.identities import Proposal

DOMAIN = re.compile(
    r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\.[A-Za-z][A-Za-z0-9-]{1,62}"
)
SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
OFF = {"autocomplete": "off"}
SIGNING = ", ".join(
    Transport(name).label for name, provider in PROVIDERS.items() if provider.signing_key
)


def _secret(label: Any, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=400, widget=widget
    )


def _host(label: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=False,
        max_length=190,
        widget=forms.TextInput(attrs=OFF),
    )


def _port(label: Any, ports: tuple[int, ...]) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label,
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "–"), *((port, str(port)) for port in ports)],
    )


class IdentityForm(forms.Form):
    """Who signs the messages, by which way they leave, and where bounces come back to.

    The number of the identity to be is in the form: some providers make a signing key only once
    they know the address that the number gives.
    """

    number = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)
    from_name = forms.CharField(label=_("Nom de l’expéditeur"), max_length=80)
    from_address = forms.EmailField(
        label=_("Adresse de l’expéditeur"), widget=forms.EmailInput(attrs=OFF)
    )
    reply_to = forms.EmailField(
        label=_("Adresse de réponse"),
        required=False,
        help_text=_("Vide : le contact que donne l’avis."),
        widget=forms.EmailInput(attrs=OFF),
    )
    transport = forms.ChoiceField(
        label=_("Les messages partent par"),
        choices=Transport.choices,
        initial=Transport.SMTP,
        widget=forms.RadioSelect,
    )
    host = _host(_("Serveur SMTP"))
    port = _port(_("Port SMTP"), SMTP_PORTS)
    encryption = forms.ChoiceField(
        label=_("Chiffrement"), choices=Encryption.choices, initial=Encryption.STARTTLS
    )
    user = forms.CharField(
        label=_("Compte SMTP"), required=False, max_length=190, widget=forms.TextInput(attrs=OFF)
    )
    password = _secret(_("Mot de passe SMTP"))
    signs = forms.BooleanField(
        label=_("Le portail signe les messages au nom de ce domaine (DKIM)"),
        required=False,
        help_text=_("Seulement si votre serveur SMTP ne le fait pas lui-même."),
    )
    dkim_selector = forms.CharField(
        label=_("Sélecteur DKIM"),
        required=False,
        max_length=60,
        help_text=_(
            "Si votre serveur ou votre prestataire signe : le nom sous lequel sa clé est publiée,"
            " devant ._domainkey. Le portail vérifie qu’elle s’y trouve."
        ),
        widget=forms.TextInput(attrs=OFF),
    )
    api_key = _secret(_("Clé du prestataire"), _("Celle qui envoie, et rien d’autre."))
    secret_key = _secret(_("Clé secrète"), _("Mailjet seulement."))
    sender_domain = _host(_("Domaine chez le prestataire"), _("Mailgun seulement."))
    signing_key = _secret(
        _("Clé de signature des avis de remise"),
        format_lazy(
            _("{providers} seulement ; pour les autres, le portail fait un mot de passe."),
            providers=SIGNING,
        ),
    )
    bounce_domain = _host(
        _("Domaine des retours"),
        _("Chaque message a pour retour une adresse « bounce+… » de ce domaine."),
    )
    mailbox_host = _host(_("Serveur IMAP des retours"))
    mailbox_port = _port(_("Port IMAP"), IMAP_PORTS)
    mailbox_user = forms.CharField(
        label=_("Compte IMAP"), required=False, max_length=190, widget=forms.TextInput(attrs=OFF)
    )
    mailbox_password = _secret(_("Mot de passe IMAP"))
    messages_per_second = forms.IntegerField(
        label=_("Messages par seconde, au plus"), required=False, min_value=1, max_value=10_000
    )
    messages_per_day = forms.IntegerField(
        label=_("Messages par jour, au plus"), required=False, min_value=1, max_value=100_000_000
    )

    def clean_from_name(self) -> str:
        name = " ".join(str(self.cleaned_data["from_name"]).split())
        if not name.isprintable() or "@" in name:
            raise ValidationError(_("Écrivez le nom de l’organisme, sans adresse."))
        return name

    def clean_dkim_selector(self) -> str:
        selector = str(self.cleaned_data["dkim_selector"]).strip().lower()
        if selector and not SELECTOR.fullmatch(selector):
            raise ValidationError(_("Écrivez le sélecteur seul, comme mail ou s1."))
        return selector

    def clean_encryption(self) -> str:
        value = str(self.cleaned_data["encryption"])
        if value == Encryption.NONE and not settings.DEMO:
            raise ValidationError(_("Choisissez un chiffrement : sans lui rien n’est envoyé."))
        return value

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        for name in ("host", "mailbox_host", "bounce_domain", "sender_domain"):
            value = given.get(name, "")
            if value and not (DOMAIN.fullmatch(value) or settings.DEMO):
                self.add_error(name, _("Écrivez un nom de domaine, comme smtp.exemple.fr."))
        for name in self._missing(given):
            self.add_error(name, _("Ce champ est nécessaire pour ce mode d’envoi."))
        if given.get("signing_key") and not self._can_verify(given):
            self.add_error("signing_key", _("Ce n’est pas une clé de ce prestataire."))
        return given

    def _can_verify(self, given: dict[str, Any]) -> bool:
        provider = PROVIDERS.get(given.get("transport", ""))
        if provider is None or not provider.signing_key:
            return True
        try:
            view = import_string(provider.webhook)(**{provider.signing_key: given["signing_key"]})
        except (ValueError, UnsupportedAlgorithm):
            return False
        # SendGrid's is of an elliptic curve; the key of its DKIM, which looks alike, is not.
        key = getattr(view, "webhook_verification_key", None)
        return key is None or isinstance(key, EllipticCurvePublicKey)

    def _missing(self, given: dict[str, Any]) -> list[str]:
        transport = given.get("transport")
        needed = []
        if transport == Transport.SMTP:
            needed = ["host", "port"]
        elif transport in PROVIDERS:
            needed = ["api_key"]
            needed += [name for name in PROVIDERS[transport].credentials if name in self.fields]
            needed += ["signing_key"] if PROVIDERS[transport].signing_key else []
        if given.get("mailbox_host"):
            needed += ["mailbox_port", "mailbox_user", "mailbox_password"]
        return [name for name in dict.fromkeys(needed) if not given.get(name)]

    def proposal(self) -> Proposal:
        """Return what was filled in, without what another way of sending would need."""
        given = self.cleaned_data
        transport = given["transport"]
        is_smtp = transport == Transport.SMTP
        return Proposal(
            number=given["number"],
            from_name=given["from_name"],
            from_address=given["from_address"],
            reply_to=given["reply_to"],
            bounce_domain=given["bounce_domain"] if is_smtp else "",
            transport=transport,
            host=given["host"] if is_smtp else "",
            port=given["port"] if is_smtp else None,
            encryption=given["encryption"],
            credentials=self._credentials(given, transport),
            signing_key="" if is_smtp else given["signing_key"],
            mailbox_host=given["mailbox_host"],
            mailbox_port=given["mailbox_port"],
            messages_per_second=given["messages_per_second"],
            messages_per_day=given["messages_per_day"],
            signs=given["signs"],
            dkim_selector=given["dkim_selector"],
        )

    def _credentials(self, given: dict[str, Any], transport: str) -> dict[str, str]:
        if transport == Transport.SMTP:
            found = {"user": given["user"], "password": given["password"]}
        else:
            # Each provider's main key has a name of its own in anymail: it is the first.
            first, *others = PROVIDERS[transport].credentials
            found = {first: given["api_key"]} | {name: given[name] for name in others}
        if given["mailbox_host"]:
            names = ("mailbox_user", "mailbox_password")
            found |= {name: given[name] for name in names}
        return found
