"""Recognise the columns of a file by their headers, in French and English."""

import re
from dataclasses import dataclass

from django.conf import settings

from insurers.lists.identifiers import plain
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError

# Words that carry no meaning in a header; « n° », « num », « no » all say « number ».
_IGNORED = frozenset(("a", "d", "de", "des", "du", "e", "l", "la", "le", "les", "of", "s", "the"))
_NUMBER = frozenset(("n", "no", "nr", "num", "numero", "number"))

_SURE: dict[Field, tuple[str, ...]] = {
    Field.MEMBER_NUMBER: (
        "numéro adhérent", "adhérent", "id adhérent", "identifiant adhérent", "code adhérent",
        "matricule adhérent", "référence adhérent", "réf adhérent", "numéro d’assuré",
        "id assuré", "identifiant assuré", "matricule assuré", "numéro membre", "membre",
        "numéro bénéficiaire", "id bénéficiaire", "identifiant bénéficiaire", "numéro sociétaire",
        "member number", "member id", "member", "membership number", "policyholder number",
        "policyholder id", "insured number", "insured id",
    ),
    Field.BIRTH_DATE: (
        "date de naissance", "datenaissance", "naissance", "né le", "née le", "né née le", "ddn",
        "dt naissance", "date naiss", "date nais", "date de naissance adhérent",
        "date de naissance assuré", "date de naissance bénéficiaire", "birth date", "birthdate",
        "date of birth", "dob", "birthday", "born",
    ),
    Field.BIRTH_RANK: (
        "rang de naissance", "rang naiss", "rang gémellaire", "rang bénéficiaire", "rang",
        "birth rank",
    ),
    Field.EMAIL: (
        "courriel", "email", "e-mail", "mail", "mél", "adresse email", "adresse e-mail",
        "adresse courriel", "adresse électronique", "adresse de messagerie",
        "courrier électronique", "email address",
    ),
    Field.PHONE: (
        "mobile", "portable", "téléphone mobile", "téléphone portable", "tél mobile",
        "tél portable", "tél mob", "tél port", "numéro mobile", "numéro portable",
        "numéro de téléphone mobile", "numéro de téléphone portable", "gsm", "mobile phone",
        "mobile number", "phone mobile", "cell phone", "cellphone",
    ),
    Field.LANGUAGE: ("langue", "code langue", "langue de contact", "language", "lang"),
    Field.FIRST_NAME: (
        "prénom", "prénoms", "prénom adhérent", "prénom assuré", "prénom bénéficiaire",
        "first name", "firstname", "given name", "forename",
    ),
    Field.LAST_NAME: (
        "nom", "nom de famille", "nom d’usage", "nom usuel", "nom adhérent", "nom assuré",
        "nom bénéficiaire", "last name", "lastname", "surname", "family name",
    ),
    Field.NIR: (
        "nir", "numéro nir", "nni", "ins", "matricule ins", "nir assuré", "nir adhérent",
        "nir bénéficiaire", "nir ouvrant droit", "numéro de sécurité sociale", "sécurité sociale",
        "numéro sécu", "numéro de sécu sociale", "numéro ss", "nss", "numéro insee", "insee",
        "numéro d’inscription au répertoire", "numéro d’immatriculation",
        "social security number", "ssn",
    ),
}  # fmt: skip
# Taken only where no surer header names the same column.
_UNSURE: dict[Field, tuple[str, ...]] = {
    Field.MEMBER_NUMBER: ("identifiant", "id", "matricule", "numéro", "référence"),
    Field.PHONE: ("téléphone", "tél", "numéro de téléphone", "numéro tél", "phone", "phone number"),
}
_WORD = re.compile(r"[a-z0-9]+")


def header_key(header: str) -> str:
    """Return a header without case, accents, punctuation and small words."""
    words = _WORD.findall(plain(header))
    return " ".join("numero" if word in _NUMBER else word for word in words if word not in _IGNORED)


def _by_key(headers: dict[Field, tuple[str, ...]]) -> dict[str, Field]:
    return {header_key(name): field for field, names in headers.items() for name in names}


_SURE_BY_KEY = _by_key(_SURE)
_UNSURE_BY_KEY = _by_key(_UNSURE)


@dataclass(frozen=True)
class Layout:
    """Where each recognised column stands (from 0), and how many columns there are."""

    columns: dict[Field, int]
    width: int

    def column_name(self, place: int) -> str:
        """Return the code of a column for people: its field, else `#` and its number."""
        for field, column in self.columns.items():
            if column == place:
                return field.value
        return f"#{place + 1}"


def recognised(header: list[str]) -> int:
    """Return how many headers name a column that the portal knows."""
    keys = [header_key(name) for name in header]
    return sum(key in _SURE_BY_KEY or key in _UNSURE_BY_KEY for key in keys)


def read_layout(header: list[str]) -> Layout:
    """Return where the needed and optional columns stand, or raise FileRefusedError."""
    keys = [header_key(name) for name in header]
    columns: dict[Field, int] = {}
    for place, key in enumerate(keys):
        field = _SURE_BY_KEY.get(key)
        if field is None:
            continue
        if field in columns:
            raise FileRefusedError(Refusal.DUPLICATE_COLUMN, row=1, column=field.value)
        columns[field] = place
    for place, key in enumerate(keys):
        field = _UNSURE_BY_KEY.get(key)
        if field is not None:
            columns.setdefault(field, place)
    _check_nir(columns)
    missing = [
        field.value for field in (Field.MEMBER_NUMBER, Field.BIRTH_DATE) if field not in columns
    ]
    if Field.EMAIL not in columns and Field.PHONE not in columns:
        missing.append(f"{Field.EMAIL.value}|{Field.PHONE.value}")
    if missing:
        raise FileRefusedError(Refusal.MISSING_COLUMNS, row=1, column=",".join(missing))
    return Layout(columns=columns, width=len(header))


def _check_nir(columns: dict[Field, int]) -> None:
    if Field.NIR not in columns:
        return
    if not settings.NIR_ALLOWED:
        raise FileRefusedError(Refusal.NIR_COLUMN, row=1, column=Field.NIR.value)
    # Admitted: it serves as the identifier where there is no member number.
    place = columns.pop(Field.NIR)
    columns.setdefault(Field.MEMBER_NUMBER, place)
