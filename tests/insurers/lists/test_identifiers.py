"""One form for each value, whatever the spreadsheet; a refusal that never says the value."""

from collections.abc import Callable
from datetime import date

import pytest
from email_validator import validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from insurers.lists import identifiers
from insurers.lists.identifiers import BadValueError
from insurers.lists.problems import Problem

TODAY = date(2026, 3, 2)


def birth_date(text: str) -> str:
    return identifiers.birth_date(text, TODAY)


NORMALISERS: list[Callable[[str], str]] = [
    identifiers.member_number,
    birth_date,
    identifiers.birth_rank,
    identifiers.email,
    identifiers.mobile_phone,
    identifiers.language,
    identifiers.name,
]


@pytest.mark.parametrize("normalise", NORMALISERS)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.text("0123456789+-/. AaéE@()", max_size=20),
        st.emails(),
        st.dates().map(str),
    )
)
@example(text="ß")
@example(text="٣٤/٠١/١٩٨٠")
@example(text="1,23457E+11")
def test_normalising_twice_changes_nothing_and_no_message_holds_the_value(
    normalise: Callable[[str], str], text: str
) -> None:
    said = ""
    try:
        once = normalise(text)
        assert normalise(once) == once
    except BadValueError as error:
        said = str(error)
    assert said in ("", *Problem.values)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A12345", "A12345"),
        (" 000 123.45-a ", "00012345A"),
        ("'00123", "00123"),
        ("12\u00a0345\u202f678", "12345678"),
        ("１２３", "123"),
    ],
)
def test_member_numbers(text: str, number: str) -> None:
    assert identifiers.member_number(text) == number


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Problem.MEMBER_NUMBER_MISSING),
        (" - ", Problem.MEMBER_NUMBER_MISSING),
        ("1,23457E+11", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("1.2e+05", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("#REF!", Problem.MEMBER_NUMBER_CHARACTERS),
        ("1" * 41, Problem.MEMBER_NUMBER_CHARACTERS),
    ],
)
def test_bad_member_numbers(text: str, problem: Problem) -> None:
    assert refused(identifiers.member_number, text) == problem


@pytest.mark.parametrize(
    "text",
    [
        "1980-12-31",
        "31/12/1980",
        "31-12-1980",
        "31.12.1980",
        "31 12 1980",
        "31121980",
        "19801231",
        "1980/12/31",
        " 31/12/1980 00:00:00",
        "1980-12-31T00:00:00",
    ],
)
def test_birth_dates(text: str) -> None:
    assert birth_date(text) == "1980-12-31"


@pytest.mark.parametrize("text", ["1900-01-01", "2/3/2026", "29/02/2000"])
def test_birth_dates_at_the_edge(text: str) -> None:
    assert birth_date(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Problem.BIRTH_DATE_MISSING),
        ("31/12/80", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("311280", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("31/02/1980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("00/00/1950", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("32131980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("2999", Problem.BIRTH_DATE_FORMAT),
        ("1980", Problem.BIRTH_DATE_FORMAT),
        ("46", Problem.BIRTH_DATE_FORMAT),
        ("029586", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("29586.5", Problem.BIRTH_DATE_FORMAT),
        ("46084", Problem.BIRTH_DATE_FUTURE),
        ("1311980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("décembre 1980", Problem.BIRTH_DATE_FORMAT),
        ("31/12/1899", Problem.BIRTH_DATE_BEFORE_1900),
        ("31121899", Problem.BIRTH_DATE_BEFORE_1900),
        ("03/03/2026", Problem.BIRTH_DATE_FUTURE),
    ],
)
def test_bad_birth_dates(text: str, problem: Problem) -> None:
    assert refused(birth_date, text) == problem


@pytest.mark.parametrize(
    ("text", "born"),
    [
        ("29586", "1980-12-31"),
        ("29586.0", "1980-12-31"),
        ("29586,0", "1980-12-31"),
        ("3000", "1908-03-18"),
        ("46083", "2026-03-02"),
    ],
)
def test_a_spreadsheets_number_of_a_day_is_a_birth_date(text: str, born: str) -> None:
    assert birth_date(text) == born


def test_a_spreadsheet_may_have_eaten_the_first_zero_of_a_birth_date() -> None:
    assert birth_date("1121980") == birth_date("01121980") == "1980-12-01"


@given(st.dates(min_value=date(1900, 1, 1), max_value=TODAY))
def test_eight_digits_mean_one_date(born: date) -> None:
    assert birth_date(f"{born:%d%m%Y}") == birth_date(f"{born:%Y%m%d}") == born.isoformat()


@pytest.mark.parametrize(("text", "rank"), [("", ""), (" 1 ", "1"), ("02", "2"), ("9", "9")])
def test_birth_ranks(text: str, rank: str) -> None:
    assert identifiers.birth_rank(text) == rank


@pytest.mark.parametrize("text", ["0", "10", "00", "premier", "²"])
def test_bad_birth_ranks(text: str) -> None:
    assert refused(identifiers.birth_rank, text) == Problem.BIRTH_RANK


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("", ""),
        (" lise@courrier.fr ", "lise@courrier.fr"),
        ("Lise.Marin@Courrier.FR", "Lise.Marin@courrier.fr"),
        ("lise@télé.fr", "lise@xn--tl-bjab.fr"),
    ],
)
def test_emails(text: str, email: str) -> None:
    assert identifiers.email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "lise",
        "lise@",
        "lise@courrier",
        "lise chez courrier.fr",
        "lise@@a.fr",
        ".l@a.fr",
        "é@a.fr",
        "l..m@a.fr",
        "l@-a.fr",
        "l@a.test",
        "x" * 65 + "@a.fr",
        "l@a.fr;m@a.fr",
    ],
)
def test_bad_emails(text: str) -> None:
    assert refused(identifiers.email, text) == Problem.EMAIL_FORMAT


@given(
    st.builds(
        "{}@{}.{}".format,
        st.text("aB1._+-", min_size=1, max_size=70),
        st.text("ab1.-", min_size=1, max_size=70),
        st.sampled_from(["fr", "com", "org"]),
    )
)
@example("a@ab--c.fr")
def test_the_fast_path_takes_only_what_email_validator_takes_unchanged(text: str) -> None:
    if identifiers._COMMON_EMAIL.fullmatch(text):
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
        assert found.ascii_email == text


@pytest.mark.parametrize(
    "text",
    [
        "0612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "612345678",
        "+33 6 12 34 56 78",
        "0033612345678",
        "+33 (0)6 12 34 56 78",
        "33612345678",
        "'0612345678",
    ],
)
def test_french_mobiles(text: str) -> None:
    assert identifiers.mobile_phone(text) == "+33612345678"


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("", ""),
        ("0690 12 34 56", "+590690123456"),
        ("0692123456", "+262692123456"),
        ("+262 692 12 34 56", "+262692123456"),
        ("0696123456", "+596696123456"),
        ("0694123456", "+594694123456"),
        ("+32 470 12 34 56", "+32470123456"),
        ("06 39 98 00 01", "+33639980001"),
    ],
)
def test_other_mobiles(text: str, phone: str) -> None:
    assert identifiers.mobile_phone(text) == phone


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("01 42 34 56 78", Problem.PHONE_LANDLINE),
        ("+33 1 42 34 56 78", Problem.PHONE_LANDLINE),
        ("06 12 34", Problem.PHONE_FORMAT),
        ("0612345678 / 0712345678", Problem.PHONE_FORMAT),
        ("aucun", Problem.PHONE_FORMAT),
        ("0000000000", Problem.PHONE_FORMAT),
    ],
)
def test_bad_phones(text: str, problem: Problem) -> None:
    assert refused(identifiers.mobile_phone, text) == problem


@pytest.mark.parametrize(
    ("text", "language"),
    [("", ""), ("FR", "fr"), ("Français", "fr"), ("en-GB", "en"), ("English", "en")],
)
def test_languages(text: str, language: str) -> None:
    assert identifiers.language(text) == language


def test_an_unknown_language_is_refused() -> None:
    assert refused(identifiers.language, "breton") == Problem.LANGUAGE


def test_a_name_loses_control_characters_and_is_cut() -> None:
    assert identifiers.name("  D’Almont\x07\n Lys ") == "D’Almont Lys"
    assert len(identifiers.name("x" * 500)) == 100


def test_accents_case_and_hyphens_do_not_make_another_name() -> None:
    assert identifiers.same_name("Zoé", "Le Goff") == identifiers.same_name("ZOE", "LE-GOFF")
    assert identifiers.same_name("", "") == ""


def refused(normalise: Callable[[str], str], text: str) -> Problem:
    with pytest.raises(BadValueError) as caught:
        normalise(text)
    return caught.value.problem
