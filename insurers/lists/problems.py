"""Everything that can be wrong with a file, and what to do: codes are stored, texts shown.

No text ever carries a value of the file: a place and a reason are enough to correct it.
"""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Field(models.TextChoices):
    """The columns that the portal reads; all others are passed over and never stored."""

    MEMBER_NUMBER = "member_number", _("numéro d’adhérent")
    BIRTH_DATE = "birth_date", _("date de naissance")
    BIRTH_RANK = "birth_rank", _("rang de naissance")
    LAST_NAME = "last_name", pgettext_lazy("famille", "nom")
    FIRST_NAME = "first_name", _("prénom")
    EMAIL = "email", _("courriel")
    PHONE = "phone", _("téléphone mobile")
    LANGUAGE = "language", _("langue")
    RELATIONSHIP = "relationship", _("qualité (adhérent ou ayant droit)")
    ADDRESS_COMPLEMENT = "address_complement", _("complément d’adresse")
    ADDRESS = "address", _("adresse postale")
    ADDRESS_2 = "address_2", _("adresse postale, 2e ligne")
    ADDRESS_3 = "address_3", _("adresse postale, 3e ligne")
    POSTCODE = "postcode", _("code postal")
    CITY = "city", _("ville")
    COUNTRY = "country", _("pays")
    NIR = "nir", _("numéro de sécurité sociale")


class Problem(models.TextChoices):
    """What is wrong with a row (rejected) or with a contact of it (warning)."""

    MEMBER_NUMBER_MISSING = "member_number_missing", _("le numéro d’adhérent manque")
    MEMBER_NUMBER_CHARACTERS = (
        "member_number_characters",
        _("le numéro d’adhérent a des caractères inattendus, ou plus de 40"),
    )
    MEMBER_NUMBER_SPREADSHEET = (
        "member_number_spreadsheet",
        _("le tableur a transformé le numéro d’adhérent en nombre (du type 1E+11 ou 12,0)"),
    )
    MEMBER_NUMBER_NIR = (
        "member_number_nir",
        _("le numéro d’adhérent est un numéro de sécurité sociale"),
    )
    BIRTH_DATE_MISSING = "birth_date_missing", _("la date de naissance manque")
    BIRTH_DATE_FORMAT = "birth_date_format", _("la date de naissance n’est pas lisible")
    BIRTH_DATE_TWO_DIGIT_YEAR = (
        "birth_date_two_digit_year",
        _("l’année de naissance n’a que deux chiffres"),
    )
    BIRTH_DATE_NUMBER = (
        "birth_date_number",
        _("la date de naissance est un nombre, sans que la colonne dise lequel"),
    )
    BIRTH_DATE_ZERO_LOST = (
        "birth_date_zero_lost",
        _("la date de naissance a perdu un zéro et peut se lire de deux façons"),
    )
    BIRTH_DATE_IMPOSSIBLE = "birth_date_impossible", _("la date de naissance n’existe pas")
    BIRTH_DATE_BEFORE_1900 = (
        "birth_date_before_1900",
        _("la date de naissance est antérieure au 1er janvier 1900"),
    )
    BIRTH_DATE_FUTURE = "birth_date_future", _("la date de naissance est dans l’avenir")
    BIRTH_RANK = "birth_rank", _("le rang de naissance n’est pas un chiffre de 1 à 9")
    TOO_MANY_CELLS = "too_many_cells", _("la ligne a plus de cellules que l’en-tête")
    NAME_NIR = "name_nir", _("le nom contient un numéro de sécurité sociale")
    EMAIL_FORMAT = "email_format", _("l’adresse e-mail n’est pas valable")
    PHONE_FORMAT = "phone_format", _("le numéro de mobile n’est pas valable")
    PHONE_LANDLINE = "phone_landline", _("le numéro n’est pas celui d’un mobile")
    LANGUAGE = "language", _("la langue n’est ni le français ni l’anglais")
    RELATIONSHIP = (
        "relationship",
        _("la qualité ne dit pas si la personne est un adhérent ou un ayant droit"),
    )
    ADDRESS_INCOMPLETE = (
        "address_incomplete",
        _("il manque à l’adresse postale une voie, une ville ou un code postal de cinq chiffres"),
    )
    ADDRESS_CHARACTERS = (
        "address_characters",
        _(
            "l’adresse postale ou le nom ne peut pas être imprimé (caractères, ou ligne trop"
            " longue)"
        ),
    )
    ADDRESS_WITHOUT_NAME = (
        "address_without_name",
        _("l’adresse postale n’a pas de nom : une lettre ne peut être adressée à personne"),
    )
    ADDRESS_NIR = (
        "address_nir",
        _("l’adresse postale contient un numéro de sécurité sociale"),
    )
    TOTAL = "total", _("c’est une ligne de total, et non une personne")
    DUPLICATE = "duplicate", _("la même personne figure plus loin avec le même contact")
    CONFLICTING_CONTACT = (
        "conflicting_contact",
        _("la même personne figure sur une autre ligne avec un autre contact"),
    )
    ALREADY_LISTED = (
        "already_listed",
        _("la personne figure déjà sur une liste acceptée pour les mêmes opérateurs"),
    )


_LOST = _("Corrigez la cellule, puis envoyez cette ligne dans un nouveau fichier.")
_KEPT = _("La personne est gardée, sans ce contact. Corrigez-le si vous le pouvez.")
_KEPT_WITHOUT_ADDRESS = _(
    "La personne est gardée, sans cette adresse : vous pourrez imprimer sa lettre vous-même."
)
_AS_DATES = _(
    "Mettez la colonne au format « Date » dans le tableur, vérifiez que la date s’affiche comme "
    "31/12/1980, puis envoyez ces lignes dans un nouveau fichier."
)
_NOTHING = _("Rien à faire : la personne est comptée une fois.")

WHAT_TO_DO: dict[Problem, object] = {
    **dict.fromkeys(Problem, _LOST),
    Problem.MEMBER_NUMBER_SPREADSHEET: _(
        "Mettez la colonne au format « Texte » dans le tableur, reprenez les numéros à leur "
        "source, puis envoyez ces lignes dans un nouveau fichier."
    ),
    Problem.MEMBER_NUMBER_NIR: _(
        "Remplacez-le par le numéro d’adhérent, puis envoyez cette ligne dans un nouveau fichier."
    ),
    Problem.BIRTH_DATE_FORMAT: _(
        "Écrivez-la sous la forme 31/12/1980 ou 1980-12-31, puis envoyez cette ligne dans un "
        "nouveau fichier."
    ),
    Problem.BIRTH_DATE_NUMBER: _AS_DATES,
    Problem.BIRTH_DATE_ZERO_LOST: _AS_DATES,
    Problem.BIRTH_DATE_TWO_DIGIT_YEAR: _(
        "Écrivez l’année avec quatre chiffres, puis envoyez cette ligne dans un nouveau fichier."
    ),
    Problem.TOO_MANY_CELLS: _(
        "Mettez entre guillemets la cellule qui contient le séparateur, puis envoyez cette ligne "
        "dans un nouveau fichier."
    ),
    Problem.NAME_NIR: _("La personne est gardée, sans ce nom. Retirez ce numéro de vos exports."),
    Problem.EMAIL_FORMAT: _KEPT,
    Problem.PHONE_FORMAT: _KEPT,
    Problem.PHONE_LANDLINE: _(
        "La personne est gardée, sans ce numéro : un SMS n’arrive que sur un mobile."
    ),
    Problem.ADDRESS_INCOMPLETE: _KEPT_WITHOUT_ADDRESS,
    Problem.ADDRESS_CHARACTERS: _KEPT_WITHOUT_ADDRESS,
    Problem.ADDRESS_WITHOUT_NAME: _KEPT_WITHOUT_ADDRESS,
    Problem.ADDRESS_NIR: _(
        "La personne est gardée, sans cette adresse. Retirez ce numéro de vos exports."
    ),
    Problem.LANGUAGE: _("La personne est gardée ; on lui écrit en français."),
    Problem.RELATIONSHIP: _(
        "La personne est gardée ; elle n’est comptée ni comme adhérent ni comme ayant droit."
    ),
    Problem.TOTAL: _("Rien à faire : la ligne n’est pas comptée."),
    Problem.DUPLICATE: _NOTHING,
    Problem.CONFLICTING_CONTACT: _(
        "La dernière ligne qui porte un contact est gardée. Vérifiez que c’est la bonne."
    ),
    Problem.ALREADY_LISTED: _NOTHING,
}


class Refusal(models.TextChoices):
    """Why a whole file is refused; the texts may name `{row}` and `{column}`."""

    EMPTY = "empty", _("Le fichier est vide.")
    NOT_CSV = (
        "not_csv",
        _("Ce fichier n’est ni un CSV ni un classeur : c’est un document d’un autre type."),
    )
    EXPANDS_TOO_MUCH = (
        "expands_too_much",
        _("Une fois décompressé, le fichier dépasse de loin ce qu’une liste peut peser."),
    )
    TOO_MANY_CELLS = ("too_many_cells", _("Le classeur est trop grand pour être lu."))
    ENCRYPTED = ("encrypted", _("Le fichier est protégé par un mot de passe."))
    SEVERAL_FILES = (
        "several_files",
        _("L’archive ne contient pas un seul fichier : on ne sait lequel lire."),
    )
    TOO_MANY_PARTS = (
        "too_many_parts",
        _("Le fichier .gz est fait d’un nombre anormal de parties presque vides."),
    )
    NESTED_ARCHIVE = ("nested_archive", _("L’archive contient une autre archive."))
    ARCHIVE_NOT_READ = (
        "archive_not_read",
        _("Le portail ne lit pas cette sorte d’archive ou de compression."),
    )
    ARCHIVE_DAMAGED = (
        "archive_damaged",
        _("L’archive ou le classeur est abîmé, ou incomplet : il ne s’ouvre pas."),
    )
    NO_SHEET = ("no_sheet", _("Aucune feuille du classeur ne contient de tableau."))
    DATES_SINCE_1904 = (
        "dates_since_1904",
        _(
            "Le classeur compte les jours depuis 1904, et aucun intitulé connu ne dit quelle "
            "colonne contient les dates de naissance."
        ),
    )
    NUL_BYTES = (
        "nul_bytes",
        _("Le fichier n’est pas du texte lisible (octet nul, ligne {row}, {column})."),
    )
    UNDECODABLE = (
        "undecodable",
        _(
            "Un caractère est abîmé ou coupé à la ligne {row}, {column} : le fichier n’est ni en "
            "UTF-8, ni en UTF-16, ni en Windows-1252."
        ),
    )
    RECORD_TOO_LONG = (
        "record_too_long",
        _("La ligne {row} dépasse 64 Ko : un guillemet ouvert n’est sans doute pas refermé."),
    )
    BROKEN_QUOTES = "broken_quotes", _("Un guillemet est mal placé à la ligne {row}.")
    NO_HEADER = (
        "no_header",
        _("La première ligne du fichier est déjà une personne : rien ne nomme les colonnes."),
    )
    MISSING_COLUMNS = "missing_columns", _("Il manque au fichier : {column}.")
    COLUMNS_UNCLEAR = (
        "columns_unclear",
        _("Les intitulés du fichier ne disent pas clairement quelle colonne contient quoi."),
    )
    NIR_COLUMN = (
        "nir_column",
        _(
            "Une colonne contient des numéros de sécurité sociale : {column}. Le portail les "
            "refuse (décret n° 2019-341)."
        ),
    )
    NO_ROWS = "no_rows", _("Le fichier n’a qu’une ligne d’en-tête.")
    NO_VALID_ROW = (
        "no_valid_row",
        _(
            "Aucune ligne n’est utilisable. La première en cause est la ligne {row} "
            "({column}){problem}."
        ),
    )
    ALREADY_UPLOADED = (
        "already_uploaded",
        _("Ce fichier a déjà été envoyé pour les mêmes opérateurs{earlier}."),
    )
    UPLOAD_DAMAGED = "upload_damaged", _("Le fichier reçu est incomplet ou abîmé.")
    READING_FAILED = "reading_failed", _("Le portail n’a pas réussi à lire ce fichier.")
    UNDECIDED = "undecided", _("Personne n’a décidé de cette liste dans les 14 jours.")
    BY_STAFF = "by_staff", _("La liste a été refusée par votre organisme.")


_SAVE_AS_CSV = _(
    "Ouvrez-le dans votre tableur, enregistrez-le au format « CSV UTF-8 », puis envoyez-le."
)
_EXPORT_AGAIN = _("Faites un nouvel export, puis envoyez-le.")
_SEND_AGAIN = _("Envoyez-le de nouveau.")

HOW_TO_GO_ON: dict[Refusal, object] = {
    Refusal.EMPTY: _EXPORT_AGAIN,
    Refusal.NOT_CSV: _SAVE_AS_CSV,
    Refusal.EXPANDS_TOO_MUCH: _(
        "Vérifiez que c’est le bon fichier ; sinon, découpez-le en plusieurs, puis envoyez-les."
    ),
    Refusal.TOO_MANY_CELLS: _SAVE_AS_CSV,
    Refusal.ENCRYPTED: _("Enregistrez-le sans mot de passe, puis envoyez-le."),
    Refusal.SEVERAL_FILES: _("Envoyez chaque fichier à part."),
    Refusal.TOO_MANY_PARTS: _("Compressez le fichier en une fois, puis envoyez-le."),
    Refusal.NESTED_ARCHIVE: _("Extrayez le fichier des archives, puis envoyez-le."),
    Refusal.ARCHIVE_NOT_READ: _(
        "Compressez le fichier en .gz ou en .zip ordinaire, ou envoyez-le tel quel."
    ),
    Refusal.ARCHIVE_DAMAGED: _(
        "Vérifiez qu’il s’ouvre chez vous, enregistrez-le de nouveau, puis envoyez-le."
    ),
    Refusal.NO_SHEET: _EXPORT_AGAIN,
    Refusal.DATES_SINCE_1904: _(
        "Nommez cette colonne « Date de naissance », enregistrez le classeur, puis envoyez-le."
    ),
    Refusal.NUL_BYTES: _SAVE_AS_CSV,
    Refusal.UNDECODABLE: _EXPORT_AGAIN,
    Refusal.RECORD_TOO_LONG: _("Corrigez cette ligne ou faites un nouvel export, puis envoyez-le."),
    Refusal.BROKEN_QUOTES: _(
        "Doublez les guillemets qui font partie d’une cellule, puis envoyez le fichier."
    ),
    Refusal.NO_HEADER: _(
        "Ajoutez au-dessus une ligne qui nomme les colonnes, puis envoyez le fichier."
    ),
    Refusal.MISSING_COLUMNS: _(
        "Ajoutez ces colonnes, ou nommez-les ainsi en première ligne, puis envoyez le fichier."
    ),
    Refusal.COLUMNS_UNCLEAR: _(
        "Nommez les colonnes en première ligne, ou indiquez-les, puis envoyez le fichier."
    ),
    Refusal.NIR_COLUMN: _("Retirez cette colonne, puis envoyez le fichier."),
    Refusal.NO_ROWS: _EXPORT_AGAIN,
    Refusal.NO_VALID_ROW: _(
        "Comparez vos colonnes avec le fichier d’exemple, corrigez, puis envoyez le fichier."
    ),
    Refusal.ALREADY_UPLOADED: _("Servez-vous de cette première liste, ou refusez-la d’abord."),
    Refusal.UPLOAD_DAMAGED: _SEND_AGAIN,
    Refusal.READING_FAILED: _(
        "Envoyez-le de nouveau ; si cela se répète, écrivez à l’exploitant du portail."
    ),
    Refusal.UNDECIDED: _("Envoyez le fichier de nouveau si ces personnes restent à prévenir."),
    Refusal.BY_STAFF: _("Envoyez un fichier corrigé si ces personnes restent à prévenir."),
}


@dataclass(frozen=True)
class Explanation:
    """What is wrong and what to do, in the reader's language."""

    what: str
    to_do: str


def explain_problem(code: str) -> Explanation:
    """Return the texts of a `Problem`."""
    problem = Problem(code)
    return Explanation(str(problem.label), str(WHAT_TO_DO[problem]))


def explain_refusal(
    code: str, *, row: int | None = None, column: str = "", problem: str = "", earlier: str = ""
) -> Explanation:
    """Return the texts of a `Refusal`.

    `problem` is the code of what is wrong at the place, if any: its way on, where it has one of
    its own, goes before that of the refusal. `earlier` names the list that came first, if any.
    """
    refusal = Refusal(code)
    place = {"row": "?" if row is None else row, "column": column_name(column) or "?"}
    to_do, reason = HOW_TO_GO_ON[refusal], ""
    if problem:
        reason = str(_(" : {problem}")).format(problem=Problem(problem).label)
        own_way = WHAT_TO_DO[Problem(problem)]
        to_do = to_do if own_way is _LOST else own_way
    what = str(refusal.label).format(**place, problem=reason, earlier=earlier)
    return Explanation(what, str(to_do))


def column_name(column: str) -> str:
    """Return what to call a stored column: fields by their name, others by their number.

    A header is never stored: in a file without one it would be somebody's data.
    """
    return ", ".join(_one_column(part) for part in column.split(",")) if column else ""


def _one_column(column: str) -> str:
    if column.startswith("#"):
        return str(_("colonne n° {number}")).format(number=column[1:])
    alternatives = [str(Field(name).label) for name in column.split("|")]
    return str(_(" ou ")).join(alternatives)
