"""An alert in words: what is wrong, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from notifications.models import Alert, AlertKind

TO_DO: dict[str, Promise] = {
    AlertKind.CLOCK: _(
        "Notifiez la CNIL sans attendre (article 33), puis inscrivez dans la déclaration la date et"
        " le numéro de dossier, et dans le registre interne les motifs du retard."
    ),
    AlertKind.SILENT: _(
        "L’organisme travaille avec un opérateur touché et n’a rien déclaré : il déclare s’il est"
        " concerné, et envoie la liste des personnes s’il l’est."
    ),
    AlertKind.HALTED: _(
        "L’envoi s’est arrêté de lui-même : lisez le motif sur la page de la campagne, corrigez,"
        " puis un approbateur la reprend ou l’annule."
    ),
    AlertKind.RECOUNT: _(
        "Un nombre du registre diffère de ce que donnent les événements : lancez `manage.py"
        " recount`, et n’invoquez pas ce nombre avant d’en connaître la cause."
    ),
    AlertKind.TRAIL: _(
        "Une entrée du journal ne suit pas la précédente : lancez `manage.py verify_trail"
        " --against` avec les têtes signées gardées ailleurs, et conservez la base en l’état."
    ),
    AlertKind.KEY: _(
        "La clé d’empreinte approche de son terme : lancez `manage.py rotate_fingerprint_key`."
    ),
    AlertKind.ERASURE: _(
        "Ce qui devait être effacé ne l’est pas : vérifiez que le worker tourne et que"
        " l’entrepôt de clés répond ; la page « Conservation » dit ce qui empêche."
    ),
    AlertKind.EXEMPTION: _(
        "La communication publique sur laquelle repose une dispense (article 34, § 3, c) n’est plus"
        " publiée : publiez-en une, ou faites lever la dispense."
    ),
}
HEADS = "heads"
LEFT_TITLE = _("Têtes signées du journal : en retard, absentes ou altérées")
LEFT_TO_DO = _(
    "La dernière a plus de trois heures, ou il en manque une, ou l’une est endommagée ou d’une"
    " autre clé : vérifiez beat, le worker et le dossier TRAIL_HEADS_DIR, puis lancez `manage.py"
    " verify_trail --against`. Sans elles, une réécriture du journal ne se verrait pas."
)
ADDRESSES = {"campaign": "campaign", "list": "list_detail"}


@dataclass(frozen=True)
class ShownAlert:
    """One alert as pages and mails show it."""

    alert: Alert
    page: str
    number: int | None

    @property
    def topic(self) -> str:
        """What it is shown under: its kind, but for the trail's heads."""
        is_of_heads = self.alert.subject.partition(":")[0] == HEADS
        return HEADS if is_of_heads else self.alert.kind

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""
        return str(LEFT_TITLE if self.topic == HEADS else AlertKind(self.alert.kind).label)

    @property
    def to_do(self) -> str:
        """What to do; the same for all alerts of a topic."""
        return str(LEFT_TO_DO if self.topic == HEADS else TO_DO[self.alert.kind])


def shown(alert: Alert) -> ShownAlert:
    """Return an alert in the reader's language, with the page it leads to, if there is one."""
    kind, _colon, number = alert.subject.partition(":")
    page = ADDRESSES.get(kind, "")
    return ShownAlert(alert, page, int(number) if page and number.isdigit() else None)


def by_kind(alerts: Iterable[Alert]) -> list[list[ShownAlert]]:
    """Return alerts as they are shown, those of a topic together; kinds in their own order."""
    groups: dict[str, list[ShownAlert]] = {topic: [] for topic in (*AlertKind.values, HEADS)}
    for alert in alerts:
        one = shown(alert)
        groups[one.topic].append(one)
    return [group for group in groups.values() if group]
