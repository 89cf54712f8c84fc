"""The trail's codes in words: what was done, to what, with which figures.

A code that has no words here is shown as it is, so that nothing is ever hidden.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import TextChoices
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry
from insurers.lists.problems import Field, Problem, Refusal, explain_refusal
from insurers.models import ListEffect, PurgeKind, Role
from insurers.numbers import spaced

# What an entry is about (the first half of its action), then each action.
KINDS = {
    "declaration": _("Déclarations"),
    "list": _("Listes"),
    "upload": _("Envois"),
    "columns": _("Colonnes retenues"),
    "token": _("Jetons"),
    "notice": _("Avis"),
    "campaign": _("Campagnes"),
    "exemption": _("Dispenses"),
    "letters": _("Lettres"),
    "invitation": _("Invitations"),
    "membership": _("Rôles"),
    "account": _("Comptes"),
    "second_factor": _("Seconds facteurs"),
    "access": _("Accès"),
    "member": _("Questions sur une personne"),
    "directory": _("Annuaire"),
    "address_key": _("Clés des adresses"),
    "fingerprint_key": _("Clés d’empreinte"),
    "sealing_key": _("Clé de scellement"),
    "identity": _("Identités d’envoi"),
    "sender": _("Domaines d’envoi"),
    "statement": _("Communications publiques"),
    "retention": _("Effacements"),
    "alert": _("Alertes"),
    "trail_expiry": _("Mois échus du journal"),
    "sample": _("Échantillons"),
    "record": _("Registres internes"),
    "evidence": _("Preuves"),
    "evidence_key": _("Clé qui signe les preuves"),
}
ACTIONS = {
    "declaration.saved": _("Déclaration enregistrée"),
    "list.uploaded": _("Liste envoyée"),
    "list.ingested": _("Liste lue"),
    "list.accepted": _("Liste acceptée"),
    "list.published": _("Personnes de la liste mises en place"),
    "list.refused": _("Liste refusée"),
    "list.withdrawn": _("Retrait de la liste décidé"),
    "list.taken_out": _("Personnes de la liste retirées"),
    "list.purge_asked": _("Effacement demandé"),
    "list.purged": _("Effacement terminé"),
    "address_key.destroyed": _("Clé des adresses détruite"),
    "fingerprint_key.announced": _("Nouvelle clé d’empreinte annoncée"),
    "fingerprint_key.started": _("Nouvelle clé d’empreinte : application commencée"),
    "fingerprint_key.finished": _("Nouvelle clé d’empreinte appliquée partout"),
    "fingerprint_key.destroyed": _("Clés d’empreinte de la violation détruites"),
    "sample.asked": _("Échantillon d’une liste demandé"),
    "trail_expiry.dropped": _("Mois échus du journal ôtés"),
    "alert.raised": _("Alerte levée"),
    "retention.erased": _("Effacé : le temps de conservation est passé"),
    "sealing_key.rotated": _("Clés scellées à nouveau"),
    "evidence_key.replaced": _("Nouvelle clé qui signe les preuves"),
    "list.columns_chosen": _("Colonnes de la liste indiquées"),
    "columns.forgotten": _("Colonne retenue oubliée"),
    "upload.started": _("Envoi d’une liste commencé"),
    "upload.cancelled": _("Envoi d’une liste annulé"),
    "upload.forgotten": _("Envoi d’une liste abandonné, effacé"),
    "upload.no_room": _("Envoi d’une liste arrêté : plus de place"),
    "token.created": _("Jeton créé"),
    "token.revoked": _("Jeton révoqué"),
    "notice.saved": _("Version de l’avis enregistrée"),
    "notice.tried": _("Avis envoyé à soi-même, pour essai"),
    "campaign.submitted": _("Campagne soumise"),
    "campaign.approved": _("Campagne approuvée"),
    "campaign.returned": _("Campagne renvoyée"),
    "campaign.resumed": _("Envoi repris"),
    "campaign.halted": _("Envoi arrêté"),
    "campaign.paused": _("Envoi mis en pause"),
    "campaign.addresses_confirmed": _("Adresses partagées confirmées"),
    "campaign.cancelled": _("Envoi annulé"),
    "campaign.finished": _("Envoi terminé"),
    "exemption.submitted": _("Dispense soumise"),
    "exemption.approved": _("Dispense approuvée : en vigueur"),
    "exemption.returned": _("Dispense renvoyée"),
    "exemption.lift_asked": _("Levée d’une dispense demandée"),
    "exemption.lifted": _("Dispense levée"),
    "exemption.lift_returned": _("Levée d’une dispense refusée"),
    "letters.asked": _("Fichier de lettres demandé"),
    "letters.asked_again": _("Fichier de lettres demandé à nouveau"),
    "letters.exported": _("Lettres remises à l’organisme"),
    "letters.failed": _("Lettres impossibles à mettre en page"),
    "letters.downloaded": _("Fichier de lettres téléchargé"),
    "invitation.sent": _("Invitation envoyée"),
    "invitation.withdrawn": _("Invitation retirée"),
    "invitation.accepted": _("Invitation acceptée"),
    "membership.created": _("Rôle créé, à confirmer"),
    "membership.confirmed": _("Rôle confirmé"),
    "membership.ended": _("Rôle terminé"),
    "account.signed_in": _("Connexion"),
    "account.password_changed": _("Mot de passe changé"),
    "account.password_reset": _("Mot de passe remplacé par courriel"),
    "second_factor.added": _("Second facteur ajouté"),
    "second_factor.removed": _("Second facteur retiré"),
    "second_factor.reset": _("Codes de secours remplacés"),
    "member.asked": _("Question posée sur une personne"),
    "member.matched": _("Personne rapprochée d’une ligne, par un auditeur"),
    "member.accessed": _("Droit d’accès d’une personne : données montrées"),
    "member.erased": _("Droit à l’effacement d’une personne : contact effacé"),
    "access.refused": _("Page demandée sans en avoir le droit"),
    "directory.loaded": _("Annuaire chargé"),
    "identity.proposed": _("Identité d’envoi proposée"),
    "identity.approved": _("Identité d’envoi mise en service"),
    "identity.refused": _("Identité d’envoi refusée"),
    "identity.ended": _("Identité d’envoi terminée"),
    "sender.checked": _("Domaine d’envoi vérifié : autre résultat"),
    "statement.saved": _("Version d’une communication publique enregistrée"),
    "statement.submitted": _("Communication publique soumise"),
    "statement.published": _("Communication publique approuvée et publiée"),
    "statement.returned": _("Communication publique renvoyée"),
    "statement.withdrawn": _("Communication publique retirée"),
    "record.saved": _("Version du registre interne enregistrée"),
    "evidence.asked": _("Dossier de preuves demandé"),
    "evidence.made": _("Dossier de preuves prêt"),
    "evidence.failed": _("Dossier de preuves impossible à préparer"),
    "evidence.downloaded": _("Dossier de preuves téléchargé"),
    "sender.check_asked": _("Vérification d’un domaine d’envoi demandée"),
}
# What the operator does in the administration, on any of its tables.
ADMIN_VERBS = {
    "added": _("Ajout : %(thing)s"),
    "changed": _("Modification : %(thing)s"),
    "deleted": _("Suppression : %(thing)s"),
    "imported": _("Import : %(thing)s"),
    "exported": _("Export : %(thing)s"),
}
SUBJECTS = {
    "list": _("liste"),
    "upload": _("envoi"),
    "column": _("colonne"),
    "token": _("jeton"),
    "notice": _("avis"),
    "campaign": _("campagne"),
    "exemption": _("dispense"),
    "invitation": _("invitation"),
    "membership": _("rôle"),
    "breach": _("violation"),
    "account": _("compte"),
    "page": _("page"),
    "question": _("question"),
    "directory": _("annuaire"),
    "identity": _("identité d’envoi"),
    "statement": _("communication publique"),
}
DETAILS = {
    **{field.value: field.label for field in Field},
    "account": _("compte"),
    "addresses": _("adresses"),
    "already_listed": _("déjà sur une liste"),
    "changed": _("champs changés"),
    "changes": _("changements"),
    "code": _("motif"),
    "concerned": _("concerné"),
    "contacts": _("contacts"),
    "corrects": _("corrige la liste"),
    "effect": _("effet"),
    "export": _("fichier"),
    "field": _("donnée"),
    "key": _("clé détruite"),
    "keys": _("clés"),
    "kind": _("sorte"),
    "letters": _("lettres"),
    "list": _("liste"),
    "listings": _("inscriptions trouvées"),
    "mandate": _("mandat"),
    "members": _("personnes"),
    "members_with_email": _("avec un courriel"),
    "members_with_phone": _("avec un mobile"),
    "members_without_contact": _("sans contact utilisable"),
    "method": _("méthode"),
    "ended": _("messages terminés"),
    "failed": _("messages en échec"),
    "pack": _("dossier"),
    "people": _("personnes"),
    "people_told": _("personnes prévenues"),
    "suppressions_lifted": _("adresses de nouveau en usage"),
    "unanswered": _("messages sans réponse"),
    "people_withdrawn": _("personnes retirées"),
    "problems": _("problèmes"),
    "purge": _("objet de l’effacement"),
    "reason": _("motif"),
    "recipient": _("clé publique age"),
    "received_bytes": _("octets reçus"),
    "rejected": _("lignes rejetées"),
    "role": _("rôle"),
    "rows": _("lignes"),
    "rows_already_listed": _("déjà sur une liste"),
    "rows_contact_changed": _("déjà sur une liste, autre contact"),
    "scopes": _("droits"),
    "seed": _("graine"),
    "sender": _("domaine d’envoi"),
    "sender_overridden": _("envoi malgré un domaine non conforme"),
    "outcome": _("résultat"),
    "number": _("numéro"),
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "sealed_rows": _("lignes scellées"),
    "sha256": "SHA-256",
    "size_bytes": _("octets"),
    "transport": _("envoi par"),
    "version": _("version"),
}

# Details that are one of these; their labels are shown.
CHOICES: dict[str, type[TextChoices]] = {
    "role": Role,
    "effect": ListEffect,
    "purge": PurgeKind,
    "field": Field,
}


@dataclass(frozen=True)
class Detail:
    """One figure, hash or code of an entry."""

    name: str
    value: str
    is_code: bool


def action_words(action: str) -> str:
    """Return what was done, in the page's language; the code itself where it has no words."""
    if action in ACTIONS:
        return str(ACTIONS[action])
    model, _dot, verb = action.partition(".")
    if verb in ADMIN_VERBS and model in (names := _model_names()):
        return ADMIN_VERBS[verb] % {"thing": names[model]}
    return action


def subject_words(subject: str) -> str:
    """Return what it was done to: « liste n° 4 »."""
    kind, _colon, number = subject.partition(":")
    name = str(SUBJECTS.get(kind) or _model_names().get(kind, ""))
    if not name:
        return subject
    if not number:
        return name
    if number.isdigit():
        return gettext("%(thing)s n° %(number)s") % {"thing": name, "number": number}
    return f"{name} {number}"


def detail_words(entry: AuditEntry) -> list[Detail]:
    """Return the entry's figures, hashes and codes, each with its name."""
    found = json.loads(entry.detail)
    assert isinstance(found, Mapping)
    if entry.action == "list.refused" and found.get("code") in Refusal.values:
        return [_refusal(found)]
    return [_detail(name, value) for name, value in found.items() if value not in ("", None)]


def _refusal(found: Mapping[str, Any]) -> Detail:
    """Return why a list was refused; entries of earlier releases name no place."""
    problem = found.get("problem")
    said = explain_refusal(
        found["code"],
        row=found.get("row"),
        column=found.get("column", ""),
        problem=problem if problem in Problem.values else "",
    )
    return Detail(str(DETAILS["code"]), said.what, is_code=False)


def _detail(name: str, value: object) -> Detail:
    shown = str(DETAILS.get(name, name))
    if isinstance(value, bool):
        return Detail(shown, gettext("oui") if value else gettext("non"), is_code=False)
    if name in CHOICES and value in CHOICES[name].values:
        return Detail(shown, str(CHOICES[name](value).label), is_code=False)
    if isinstance(value, int):
        return Detail(shown, spaced(value), is_code=False)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Detail(shown, text, is_code=True)


def _model_names() -> dict[str, str]:
    return {
        str(model._meta.model_name): str(model._meta.verbose_name) for model in apps.get_models()
    }
