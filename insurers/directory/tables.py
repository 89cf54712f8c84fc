"""The files of the directory: one table each, whose columns are the model's fields.

The first column names the row for the other files, `sources` holds codes separated by spaces,
`aliases` and `amc_numbers` values separated by `|` (docs/directory.md).
"""

from dataclasses import dataclass

from django.db.models import Model

from insurers.models import (
    Advice,
    Affiliation,
    AmcNumber,
    Breach,
    BreachOperator,
    Caveat,
    Conflict,
    DataCategory,
    ExposedData,
    ImpactReport,
    Insurer,
    InsurerAlias,
    Operator,
    Population,
    Source,
    TimelineEntry,
)


@dataclass(frozen=True)
class Table:
    """One file: its model, the fields that tell its rows apart, its columns in order."""

    filename: str
    model: type[Model]
    key: tuple[str, ...]
    columns: tuple[str, ...]


TEXTS = ("text_fr", "text_en")
NOTES = ("note_fr", "note_en")
LABELS = ("label_fr", "label_en")

SHARED = (
    Table("sources.csv", Source, ("url",), ("code", "url", "publisher", "kind", "published_date")),
    Table("populations.csv", Population, ("code",), ("code", *LABELS)),
    Table("categories.csv", DataCategory, ("code",), ("code", *LABELS)),
    Table(
        "operators.csv",
        Operator,
        ("code",),
        ("code", "name", "description_fr", "description_en"),
    ),
    Table(
        "insurers.csv",
        Insurer,
        ("slug",),
        ("slug", "name", "aliases", "amc_numbers", "successor"),
    ),
    Table(
        "affiliations.csv",
        Affiliation,
        ("insurer", "operator", "scope_fr", "valid_from_date"),
        (
            "insurer",
            "operator",
            "scope_fr",
            "scope_en",
            "valid_from_date",
            "valid_until_date",
            "source",
            *NOTES,
        ),
    ),
    Table("advice.csv", Advice, ("code",), ("code", "population", *TEXTS, "link", "sources")),
)
# In a folder of its own, named after the breach's slug.
BY_BREACH = (
    Table(
        "breach.csv",
        Breach,
        ("slug",),
        (
            "name_fr",
            "name_en",
            "summary_fr",
            "summary_en",
            "method_fr",
            "method_en",
            "announced_date",
            "people_min",
            "people_announced_by",
            "sources",
        ),
    ),
    Table(
        "operators.csv",
        BreachOperator,
        ("breach", "operator"),
        ("operator", "detected_date", "announced_date", "people_claimed", "sources"),
    ),
    Table(
        "exposed_data.csv",
        ExposedData,
        ("breach", "operator", "population", "category"),
        ("operator", "population", "category", "is_exposed", "certainty", *NOTES, "sources"),
    ),
    Table(
        "timeline.csv",
        TimelineEntry,
        ("breach", "date", "text_fr"),
        ("date", *TEXTS, "sources"),
    ),
    Table("caveats.csv", Caveat, ("breach", "code"), ("code", *TEXTS, "sources")),
    Table("conflicts.csv", Conflict, ("breach", "code"), ("code", *TEXTS, "sources")),
    Table(
        "impact_reports.csv",
        ImpactReport,
        ("breach", "insurer", "operator"),
        ("insurer", "operator", "status", "announced_date", "source", *NOTES),
    ),
)
NAMES_OF_AN_INSURER: dict[str, tuple[type[Model], str]] = {
    "aliases": (InsurerAlias, "name"),
    "amc_numbers": (AmcNumber, "number"),
}
# The order of these rows in their file is the order on the pages.
ORDERED = (DataCategory, Advice, Caveat, Conflict)
