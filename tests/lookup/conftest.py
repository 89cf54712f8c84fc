"""The directory of these tests: the cast's, and a few real names with their spellings."""

import pytest

from insurers.models import AmcNumber, Insurer, InsurerAlias

NAMES = {
    "ag2r-la-mondiale": ("AG2R La Mondiale", ["AG2R", "AG2RLM"]),
    "aesio-mutuelle": ("Aésio Mutuelle", ["Aésio", "Aesio"]),
    "generali": ("Generali", ["Generali France"]),
    "harmonie-mutuelle": ("Harmonie Mutuelle", ["Prévadiès", "Santévie"]),
    "la-mutuelle-generale": ("La Mutuelle Générale", ["LMG", "Mutuelle Générale"]),
    "macif": ("Macif", ["Macif Santé"]),
    "malakoff-humanis": ("Malakoff Humanis", ["Malakoff Médéric", "Humanis"]),
    "mgp": ("MGP", ["Mutuelle Générale de la Police"]),
    "mutaero": ("Mutaero", []),
    "mutame-plus": ("Mutame & Plus", ["Mutame et Plus"]),
    "mutuelle-des-services-publics": ("Mutuelle des Services Publics", []),
    "mutuelle-mieux-etre": ("Mutuelle Mieux-Être", []),
    "pacifica": ("Pacifica", ["Crédit Agricole Assurances", "CA Assurances"]),
    "roederer": ("Roederer", []),
    "viasante-mutuelle": ("Viasanté Mutuelle", ["Viasanté"]),
}


@pytest.fixture
def directory(db: None) -> None:
    for slug, (name, aliases) in NAMES.items():
        insurer = Insurer.objects.create(slug=slug, name=name)
        for alias in aliases:
            InsurerAlias.objects.create(insurer=insurer, name=alias)
    mgp = Insurer.objects.get(slug="mgp")
    AmcNumber.objects.create(insurer=mgp, number="0775685399")


@pytest.fixture(scope="module", autouse=True)
def _cast_of_a_file_with_a_database(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("standing_cast")
