"""A list of fictional members, as an insurer would export it.

Addresses are at example.fr (RFC 2606), numbers among those that ARCEP reserves for fiction
(06 39 98 xx xx). Families share an address, some people have no contact, some rows are bad.
"""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

FIRST_NAMES = [
    "Adèle",
    "Aïcha",
    "Alban",
    "Amina",
    "Anaïs",
    "Bastien",
    "Brahim",
    "Camille",
    "Chloé",
    "Clément",
    "Daphné",
    "Élise",
    "Émile",
    "Fatou",
    "François",
    "Gaëlle",
    "Hugo",
    "Inès",
    "Jade",
    "Jean-Baptiste",
    "Karim",
    "Léa",
    "Loïc",
    "Maëlys",
    "Manon",
    "Marius",
    "Naïma",
    "Noé",
    "Océane",
    "Paul",
    "Quentin",
    "Rosalie",
    "Samuel",
    "Thaïs",
    "Ulysse",
    "Valentine",
    "Wassim",
    "Xavier",
    "Yaël",
    "Zoé",
]
LAST_NAMES = [
    "Abel",
    "Barreau",
    "Caradec",
    "D'Almont",
    "Écuyer",
    "Fougère",
    "Garnier-Lys",
    "Hamel",
    "Ibarra",
    "Jolivet",
    "Kerguelen",
    "Lanterne",
    "Marée",
    "Nodier",
    "Ollivier",
    "Phares",
    "Quéméneur",
    "Ressac",
    "Saline",
    "Tempête",
    "Urvoy",
    "Vigie",
    "Wagner",
    "Yvon",
]
COLUMNS = (
    "Numéro adhérent",
    "Nom",
    "Prénom",
    "Date de naissance",
    "Rang de naissance",
    "Courriel",
    "Mobile",
    "Langue",
)


def write_members(path: Path, *, rows: int, seed: int = 2024) -> None:
    """Write `rows` data rows as an insurer's software does: `;`, UTF-8, dd/mm/yyyy."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(rows, random.Random(seed)))  # noqa: S311 (fiction, not secrets)


def _rows(count: int, chance: random.Random) -> Iterator[list[str]]:
    made = 0
    while made < count:
        family = min(chance.choices((1, 2, 3, 4, 5), (70, 12, 8, 7, 3))[0], count - made)
        yield from _household(made, family, chance)
        made += family


def _household(start: int, size: int, chance: random.Random) -> Iterator[list[str]]:
    last_name = chance.choice(LAST_NAMES)
    contact = chance.random()
    email = f"foyer{start:06d}@example.fr" if contact < 0.90 else ""
    if 0.88 < contact < 0.90:
        email = email.replace("@", " chez ")
    phone = _number(start) if contact > 0.87 and contact < 0.97 else ""
    for position in range(size):
        born = date(1930, 1, 1) + timedelta(days=chance.randrange(33_000))
        birth_date = "31/02/1980" if chance.random() < 0.0005 else f"{born:%d/%m/%Y}"
        language = "en" if chance.random() < 0.02 else ""
        yield [
            f"{start + position:09d}",
            last_name,
            chance.choice(FIRST_NAMES),
            birth_date,
            "",
            email,
            phone,
            language,
        ]


def _number(start: int) -> str:
    digits = f"{start % 10_000:04d}"
    return f"06 39 98 {digits[:2]} {digits[2:]}"
