"""Headers as French spreadsheets write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.header_names import NAMES
from insurers.lists.headers import ColumnsUnclearError, header_key, read_layout, recognised
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("N° adhérent", Field.MEMBER_NUMBER),
        ("NUMERO_ADHERENT", Field.MEMBER_NUMBER),
        ("Numéro d’assuré", Field.MEMBER_NUMBER),
        ("Num. adhérent", Field.MEMBER_NUMBER),
        ("member number", Field.MEMBER_NUMBER),
        ("Identifiant", Field.MEMBER_NUMBER),
        ("Né(e) le", Field.BIRTH_DATE),
        ("Date de naissance", Field.BIRTH_DATE),
        ("date_naissance", Field.BIRTH_DATE),
        ("date of birth", Field.BIRTH_DATE),
        ("Rang de naissance", Field.BIRTH_RANK),
        ("Courriel", Field.EMAIL),
        ("E-mail", Field.EMAIL),
        ("adresse électronique", Field.EMAIL),
        ("Portable", Field.PHONE),
        ("Tél. mobile", Field.PHONE),
        ("Téléphone", Field.PHONE),
        ("Langue", Field.LANGUAGE),
        ("Prénom", Field.FIRST_NAME),
        ("Nom de famille", Field.LAST_NAME),
        ("No adh", Field.MEMBER_NUMBER),
        ("NUMADH", Field.MEMBER_NUMBER),
        ("N°adhérent", Field.MEMBER_NUMBER),
        ("Nº adhérent", Field.MEMBER_NUMBER),
        ("№adhérent", Field.MEMBER_NUMBER),
        ("Adhérent (n°)", Field.MEMBER_NUMBER),
        ("memberId", Field.MEMBER_NUMBER),
        ("Membership number", Field.MEMBER_NUMBER),
        ("\ufeffN° adhérent ", Field.MEMBER_NUMBER),
        ("N°\u00a0d’adhérent*", Field.MEMBER_NUMBER),
        ("Né·e le", Field.BIRTH_DATE),
        ("NÉE LE", Field.BIRTH_DATE),
        ("Date naiss.", Field.BIRTH_DATE),
        ("DateNaissance", Field.BIRTH_DATE),
        ("DTNAISS", Field.BIRTH_DATE),
        ("D.D.N.", Field.BIRTH_DATE),
        ("Date de\nnaissance (JJ/MM/AAAA)", Field.BIRTH_DATE),
        ("Date de naissance du bénéficiaire", Field.BIRTH_DATE),
        ("Adr. mail", Field.EMAIL),
        ("ADRESSE_EMAIL", Field.EMAIL),
        ("Mél", Field.EMAIL),
        ("Tel. portable", Field.PHONE),
        ("TELMOB", Field.PHONE),
        ("Mobile", Field.PHONE),
        ("N° de tél. mobile", Field.PHONE),
        ("Cell phone", Field.PHONE),
        ("Tél 1", Field.PHONE),
        ("First name", Field.FIRST_NAME),
        ("Nom usuel", Field.LAST_NAME),
        ("Surname", Field.LAST_NAME),
        ("Qualité", Field.RELATIONSHIP),
        ("QUALITE_BENEF", Field.RELATIONSHIP),
        ("Type de bénéficiaire", Field.RELATIONSHIP),
        ("TypeBénéficiaire", Field.RELATIONSHIP),
        ("Lien de parenté", Field.RELATIONSHIP),
        ("Lien avec l’assuré", Field.RELATIONSHIP),
        ("Lien", Field.RELATIONSHIP),
        ("Adhérent / ayant droit", Field.RELATIONSHIP),
        ("Relationship", Field.RELATIONSHIP),
        ("relationship to policyholder", Field.RELATIONSHIP),
    ],
)
def test_a_header_is_recognised(header: str, field: Field) -> None:
    others = {
        Field.MEMBER_NUMBER: "N° adhérent",
        Field.BIRTH_DATE: "Né le",
        Field.EMAIL: "Mail",
    }
    names = [header, *(name for key, name in others.items() if key != field)]
    assert read_layout(names).columns[field] == 0


def test_a_sure_header_goes_before_a_vague_one() -> None:
    layout = read_layout(["Téléphone", "Portable", "Id", "N° adhérent", "Né le"])
    assert layout.columns[Field.PHONE] == 1
    assert layout.columns[Field.MEMBER_NUMBER] == 3


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        (["Né le", "Mail"], ("member_number",)),
        (["N° adhérent", "Mail"], ("birth_date",)),
        (["N° adhérent", "Né le"], ("email|phone",)),
        (["Lise", "1980-12-31"], ("member_number", "birth_date", "email|phone")),
    ],
)
def test_missing_columns_are_named(header: list[str], missing: tuple[str, ...]) -> None:
    assert unclear(header).missing == missing


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (["N° adhérent", "Né le", "Mail", "Courriel"], Field.EMAIL),
        (["N° adhérent", "Né le", "Mail", "Mail"], Field.EMAIL),
        (["N° adhérent", "Né le", "Téléphone", "Tél"], Field.PHONE),
        (["N° adhérent", "Né le", "Tél 1", "Tél 2"], Field.PHONE),
        (["Identifiant", "Matricule", "Né le", "Mail"], Field.MEMBER_NUMBER),
        (["N° adhérent", "N° bénéficiaire", "Né le", "Mail"], Field.MEMBER_NUMBER),
        (["N° adhérent", "Né le", "Mail", "Nom", "Nom de famille"], Field.LAST_NAME),
    ],
)
def test_two_columns_for_one_field_are_a_question(header: list[str], field: Field) -> None:
    found = unclear(header)
    assert found.ambiguous == (field,)
    assert field not in found.suggested.values()


def test_two_columns_that_are_only_counted_ask_nothing() -> None:
    layout = read_layout(["N° adhérent", "Né le", "Mail", "Qualité", "Lien"])
    assert Field.RELATIONSHIP not in layout.columns


def test_what_is_clear_is_suggested() -> None:
    assert unclear(["N° Police", "Né le", "Mail"]).suggested == {
        1: Field.BIRTH_DATE,
        2: Field.EMAIL,
    }


def test_the_name_in_use_goes_before_the_name_at_birth() -> None:
    layout = read_layout(["N° adhérent", "Né le", "Mail", "Nom de naissance", "Nom", "Nom d’usage"])
    assert layout.columns[Field.LAST_NAME] == 5


def test_what_is_remembered_goes_before_what_headers_mean() -> None:
    remembered = {header_key("N° Police"): Field.MEMBER_NUMBER, header_key("Tél"): Field.PHONE}
    layout = read_layout(["N° POLICE", "Né le", "Téléphone", "tel."], remembered=remembered)
    assert layout.columns == {Field.MEMBER_NUMBER: 0, Field.BIRTH_DATE: 1, Field.PHONE: 3}


def test_what_is_chosen_is_taken_as_it_is() -> None:
    chosen = {2: Field.MEMBER_NUMBER, 0: Field.BIRTH_DATE, 1: Field.EMAIL}
    layout = read_layout(["N° adhérent", "Né le", "Mail", ""], chosen=chosen)
    assert (layout.columns[Field.MEMBER_NUMBER], layout.width) == (2, 4)


@pytest.mark.parametrize(
    "chosen",
    [
        {0: Field.MEMBER_NUMBER, 1: Field.BIRTH_DATE},
        {0: Field.MEMBER_NUMBER, 1: Field.BIRTH_DATE, 2: Field.EMAIL, 3: Field.EMAIL},
    ],
)
def test_a_choice_has_what_a_list_needs_and_each_field_once(chosen: dict[int, Field]) -> None:
    with pytest.raises(ColumnsUnclearError):
        read_layout(["a", "b", "c", "d"], chosen=chosen)


def test_no_name_stands_for_two_fields() -> None:
    keys = {
        (field, " ".join(sorted(name.split())))
        for field, tiers in NAMES.items()
        for names in tiers
        for name in names
    }
    assert len({key for _field, key in keys}) == len(keys)


@given(st.text(max_size=40))
def test_a_key_is_the_key_of_itself(header: str) -> None:
    assert header_key(header_key(header)) == header_key(header)


@pytest.mark.parametrize(
    "header",
    ["Nom et prénom", "Téléphone fixe", "Date d’effet", "Nom du conjoint", "Ville", "", "-"],
)
def test_other_headers_name_no_column(header: str) -> None:
    assert recognised([header]) == 0


@pytest.mark.parametrize(
    "header", ["NIR", "N.I.R", "N.S.S.", "N° S.S.", "N° Sécurité sociale", "Numéro de sécu", "SSN"]
)
def test_a_header_that_names_the_nir_is_refused(header: str) -> None:
    refusal = refused(["N° adhérent", "Né le", "Mail", header])
    assert (refusal.code, refusal.column) == (Refusal.NIR_COLUMN, "nir")


def unclear(header: list[str]) -> ColumnsUnclearError:
    with pytest.raises(ColumnsUnclearError) as caught:
        read_layout(header)
    return caught.value


def refused(header: list[str]) -> FileRefusedError:
    with pytest.raises(FileRefusedError) as caught:
        read_layout(header)
    return caught.value
