"""The record of Article 33(5) as it stands, as a PDF for people and as JSON for programs."""

from django.conf import settings
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _

from notifications.evidence.archive import Archive
from notifications.evidence.trail_extract import moment
from notifications.letters.pdf import typeset
from notifications.register.record import Record33

TEMPLATE = settings.BASE_DIR / "templates/notifications/record.typ"
NAME = "record-33-5"


def write_record(archive: Archive, record: Record33) -> None:
    """Write both, in French; what is missing is said to be. Raises LetterError."""
    archive.add_json(
        f"{NAME}.json",
        {
            "breach": record.breach.slug,
            "insurer": str(record.insurer.pk),
            "version": record.number,
            "sha256": record.sha256,
            "edited_by": record.edited_by,
            "edited_at": moment(record.edited_at),
            "missing": [item.name for item in record.items if item.is_missing],
            "items": [
                {"name": item.name, "label": item.label, "value": item.value}
                | {"portal": item.portal, "is_missing": item.is_missing}
                for item in record.items
            ],
        },
    )
    with translation.override("fr"):
        archive.add(f"{NAME}.pdf", record_pdf(record))


def record_pdf(record: Record33) -> bytes:
    """Return the record as a PDF (PDF/UA-1), in the language that is active."""
    return typeset(
        TEMPLATE,
        {
            "title": _("Registre des violations (RGPD, art. 33, § 5)"),
            "subtitle": f"{record.insurer.name} · {record.breach.name_fr}",
            "author": record.insurer.name,
            "lang": translation.get_language() or "fr",
            "footer": _footer(record),
            "missing": _("manquant"),
            "items": [
                {
                    "label": item.label,
                    "value": item.value,
                    "missing": item.is_missing,
                    "portal": _("selon le portail : %(known)s") % {"known": item.portal}
                    if item.portal
                    else "",
                }
                for item in record.items
            ],
        },
    )


def _footer(record: Record33) -> str:
    if record.edited_at is None:
        return _("Rien n’a été enregistré par l’organisme.")
    at = formats.date_format(timezone.localtime(record.edited_at), "j F Y, H:i")
    return _("Version %(number)s, du %(at)s · SHA-256 %(sha256)s") % {
        "number": record.number,
        "at": at,
        "sha256": record.sha256,
    }
