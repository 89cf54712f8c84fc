"""One form for each value, whatever the spreadsheet; a refusal that never says the value."""

import traceback
from collections.abc import Callable
from datetime import date

import phonenumbers
import pytest
from email_validator import validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from insurers.lists import identifiers
from insurers.lists.identifiers import BadValueError
from insurers.lists.number_dates import Numbers
from insurers.lists.problems import Problem
from insurers.lists.relationships import relationship

TODAY = date(2026, 3, 2)


def birth_date(text: str) -> str:
    return identifiers.birth_date(text, TODAY)


def serial(text: str) -> str:
    return identifiers.birth_date(text, TODAY, Numbers.SERIALS)


def padded(text: str) -> str:
    return identifiers.birth_date(text, TODAY, Numbers.PADDED)


NORMALISERS: list[Callable[[str], str]] = [
    identifiers.member_number,
    birth_date,
    serial,
    padded,
    identifiers.birth_rank,
    identifiers.email,
    identifiers.mobile_phone,
    identifiers.language,
    identifiers.name,
    relationship,
]


# Everything, then what looks like a value and is wrong in one place.
VALUES = st.one_of(
    st.text(max_size=60),
    st.text("0123456789+-/. AaéE@(),'\u00a0\u2011", max_size=24),
    st.emails(),
    st.dates().map(str),
    st.dates().map("{:%d/%m/%Y}".format),
    st.dates().map("{:%d%m%Y}".format),
    st.from_regex(r"(\+|00)?(33|262|590|687)?[ .(]?0?[)]?[67]([ .-]?\d){8}(\.0)?", fullmatch=True),
    st.from_regex(r"\d[.,]\d{1,6}E\+?\d{1,3}", fullmatch=True),
    st.from_regex(r"[ '\u200b]{0,2}[A-Z]{0,2}[0-9 ./-]{1,12}", fullmatch=True),
)


@pytest.mark.parametrize("normalise", NORMALISERS)
@given(text=VALUES)
@example(text="ß")
@example(text="٣٤/٠١/١٩٨٠")
@example(text="1,23457E+11")
@example(text="ŉ")
@example(text="\ud800")
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


@pytest.mark.parametrize("normalise", NORMALISERS)
@given(end=st.text("@./- 0123456789é", max_size=20))
def test_no_traceback_holds_the_value(normalise: Callable[[str], str], end: str) -> None:
    value = f"zqxjk{end}"
    said = ""
    try:
        normalise(value)
    except BadValueError as error:
        said = repr(error) + "".join(traceback.format_exception(error))
    assert "zqxjk" not in said.lower()


@given(first=st.text(max_size=20), last=st.text(max_size=20))
def test_hyphens_spaces_and_cleaning_do_not_make_another_name(first: str, last: str) -> None:
    same = identifiers.letters(f"{first} {last}")
    assert identifiers.letters(f"{first}-{last}") == same
    assert same == "" or same.isalnum()


@given(st.text("0123456789", min_size=1, max_size=40))
def test_every_digit_of_a_number_is_kept(number: str) -> None:
    assert identifiers.member_number(number) == number


@given(st.integers(10**7, 10**8 - 1), st.sampled_from(["6", "7"]))
def test_every_way_to_write_a_french_mobile_is_one_number(rest: int, start: str) -> None:
    number = f"{start}{rest}"
    try:
        expected = identifiers.mobile_phone(f"0{number}")
    except BadValueError:
        return
    pairs = " ".join((f"0{number}"[at : at + 2]) for at in range(0, 10, 2))
    for written in (number, f"+33 {number}", f"0033{number}", f"+33 (0){number}", pairs):
        assert identifiers.mobile_phone(written) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A12345", "A12345"),
        (" 000 123.45-a ", "00012345A"),
        ("'00123", "00123"),
        ("12\u00a0345\u202f678", "12345678"),
        ("１２３", "123"),
        ("12\u2011345\u2013678", "12345678"),
        ("\ufeff00123\u200b", "00123"),
        ("\u202a00123\u202c", "00123"),
        ("1E11", "1E11"),
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
        ("1E+11", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("1.23457E11", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("123457.0", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("123457,0", Problem.MEMBER_NUMBER_SPREADSHEET),
        ("NULL", Problem.MEMBER_NUMBER_MISSING),
        ("nan", Problem.MEMBER_NUMBER_MISSING),
        ("n/a", Problem.MEMBER_NUMBER_MISSING),
        ("VRAI", Problem.MEMBER_NUMBER_MISSING),
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
        "1980-12-31T00:00:00.000Z",
        "31/12/1980 0:00",
        "'31/12/1980",
        "\u00a031/12/1980",
        "\u200e31/12/1980\u200b",
        "31 / 12 / 1980",
    ],
)
def test_birth_dates(text: str) -> None:
    assert birth_date(text) == "1980-12-31"


@pytest.mark.parametrize(
    ("text", "date"),
    [("4021980", "1980-02-04"), ("1/ 2/1980", "1980-02-01"), ("1-2-1980", "1980-02-01")],
)
def test_birth_dates_that_lost_a_zero(text: str, date: str) -> None:
    assert birth_date(text) == date


@pytest.mark.parametrize("text", ["1021980", "1121980", "1911980"])
def test_a_lost_zero_that_leaves_a_doubt_is_refused(text: str) -> None:
    assert refused(birth_date, text) == Problem.BIRTH_DATE_ZERO_LOST


def test_a_lost_zero_leaves_no_doubt_where_the_column_proves_it() -> None:
    assert padded("1021980") == "1980-02-01"
    assert refused(padded, "1911980") == Problem.BIRTH_DATE_IMPOSSIBLE


@pytest.mark.parametrize("text", ["1900-01-01", "2/3/2026", "29/02/2000"])
def test_birth_dates_at_the_edge(text: str) -> None:
    assert birth_date(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("29586", "1980-12-31"),
        ("1000", "1902-09-26"),
        ("9999", "1927-05-17"),
        ("46082", "2026-03-01"),
    ],
)
def test_serial_numbers_of_spreadsheets_are_dates(text: str, day: str) -> None:
    assert serial(text) == day


@pytest.mark.parametrize("text", ["29586", "11980", "1000", "99999"])
def test_a_number_is_no_date_until_its_column_proves_it(text: str) -> None:
    assert refused(birth_date, text) == refused(padded, text) == Problem.BIRTH_DATE_NUMBER


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Problem.BIRTH_DATE_MISSING),
        ("31/12/80", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("311280", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("31/02/1980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("00/00/1950", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("32131980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("999", Problem.BIRTH_DATE_FORMAT),
        ("1980", Problem.BIRTH_DATE_FORMAT),
        ("02922", Problem.BIRTH_DATE_FORMAT),
        ("80-12-31", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        ("9991980", Problem.BIRTH_DATE_IMPOSSIBLE),
        ("1980121", Problem.BIRTH_DATE_FORMAT),
        ("31/12-1980", Problem.BIRTH_DATE_FORMAT),
        ("31/12/1980 10:30", Problem.BIRTH_DATE_FORMAT),
        ("décembre 1980", Problem.BIRTH_DATE_FORMAT),
        ("31/12/1899", Problem.BIRTH_DATE_BEFORE_1900),
        ("31121899", Problem.BIRTH_DATE_BEFORE_1900),
        ("03/03/2026", Problem.BIRTH_DATE_FUTURE),
    ],
)
def test_bad_birth_dates(text: str, problem: Problem) -> None:
    assert refused(birth_date, text) == problem


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
        ("'lise@courrier.fr", "lise@courrier.fr"),
        ("\u200blise@courrier.fr\u00a0", "lise@courrier.fr"),
        ("lise@courrier.fr\u200e", "lise@courrier.fr"),
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
        "\u202a+33612345678\u202c",
        "+33612345678",
        "(+33) 6 12 34 56 78",
        "0033 (0)6 12 34 56 78",
        "+33 06 12 34 56 78",
        "06-12-34-56-78",
        "06/12/34/56/78",
        "06\u201112\u201134\u201156\u201178",
        "06\u202f12\u202f34\u202f56\u202f78",
        "０６１２３４５６７８",
        "612345678.0",
        "33612345678,0",
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
        ("690123456", "+590690123456"),
        ("+33 692 12 34 56", "+262692123456"),
        ("00262692123456", "+262692123456"),
        ("262692123456", "+262692123456"),
        ("590690123456", "+590690123456"),
        ("596696123456", "+596696123456"),
        ("0639 69 12 34", "+262639691234"),
        ("+687 75 12 34", "+687751234"),
        ("68987123456", "+68987123456"),
        ("+508 55 12 34", "+508551234"),
        ("0694123456", "+594694123456"),
        ("+32 470 12 34 56", "+32470123456"),
        ("06 39 98 00 01", "+33639980001"),
        ("0691 22 12 34", "+590691221234"),
        ("0693 12 34 56", "+262693123456"),
        ("693123456", "+262693123456"),
        ("+33 697 12 34 56", "+596697123456"),
        ("0033 696 12 34 56", "+596696123456"),
        ("+262 (0)692 12 34 56", "+262692123456"),
        ("+262 0692 12 34 56", "+262692123456"),
        ("00 590 690 12 34 56", "+590690123456"),
        ("594694123456", "+594694123456"),
        ("+262 639 01 23 45", "+262639012345"),
        ("639012345", "+262639012345"),
    ],
)
def test_other_mobiles(text: str, phone: str) -> None:
    assert identifiers.mobile_phone(text) == phone


@pytest.mark.parametrize("start", ["6", "7"])
def test_the_fast_path_for_mobiles_says_what_phonenumbers_says(start: str) -> None:
    for range_ in range(10_000):
        number = f"{start}{range_:04d}1234"
        parsed = phonenumbers.parse(f"+33{number}")
        kind = phonenumbers.number_type(parsed)
        is_mobile = phonenumbers.is_valid_number(parsed) and kind == PhoneNumberType.MOBILE
        is_fictional = number.startswith("63998")  # reserved by ARCEP
        assert bool(identifiers._FRENCH_MOBILE.fullmatch(number)) == (is_mobile or is_fictional)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("01 42 34 56 78", Problem.PHONE_LANDLINE),
        ("+33 1 42 34 56 78", Problem.PHONE_LANDLINE),
        ("0262 20 12 34", Problem.PHONE_LANDLINE),
        ("0590 82 12 34", Problem.PHONE_LANDLINE),
        ("06 12 34", Problem.PHONE_FORMAT),
        ("6,12346E+08", Problem.PHONE_FORMAT),
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
    assert identifiers.letters("Zoé Le Goff") == identifiers.letters("ZOE LE-GOFF")
    assert identifiers.letters("") == ""


def refused(normalise: Callable[[str], str], text: str) -> Problem:
    with pytest.raises(BadValueError) as caught:
        normalise(text)
    return caught.value.problem
