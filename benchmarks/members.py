"""Files of fictional members, of any length, written quickly: all columns, families, few faults."""

import random
from pathlib import Path

from breachportal.embedded.members import FIRST_NAMES, LAST_NAMES

HEADER = "Numéro adhérent;Nom;Prénom;Date de naissance;Rang de naissance;Courriel;Mobile;Langue\n"
SHARE_WITHOUT_PHONE, SHARE_WITHOUT_EMAIL, SHARE_REPEATED, SHARE_BAD = 0.3, 0.08, 0.002, 0.001


def write_members(path: Path, *, rows: int, seed: int = 2024) -> None:
    """Write so many rows: `;`, UTF-8, dd/mm/yyyy; some repeated, some bad, as in real lists."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        lines: list[str] = []
        for number in range(rows):
            if lines and chance.random() < SHARE_REPEATED:
                lines.append(lines[-1])
            else:
                lines.append(_row(number, chance))
            if len(lines) == 50_000:
                file.writelines(lines)
                lines.clear()
        file.writelines(lines)


def _row(number: int, chance: random.Random) -> str:
    dice = chance.random
    family = number - number % 3 if dice() < 0.3 else number
    last_name = LAST_NAMES[int(dice() * len(LAST_NAMES))]
    first_name = FIRST_NAMES[int(dice() * len(FIRST_NAMES))]
    born = f"{1 + int(dice() * 28):02d}/{1 + int(dice() * 12):02d}/{1930 + int(dice() * 90)}"
    if dice() < SHARE_BAD:
        born = "31/02/1980"
    email = "" if dice() < SHARE_WITHOUT_EMAIL else f"foyer.{family:08d}@example.fr"
    phone = ""
    if dice() > SHARE_WITHOUT_PHONE:
        digits = f"{int(dice() * 10_000):04d}"
        phone = f"06 39 98 {digits[:2]} {digits[2:]}"  # ARCEP keeps these for fiction.
    return f"{number:09d};{last_name};{first_name};{born};;{email};{phone};\n"
