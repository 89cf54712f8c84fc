"""Postal addresses: read by column, kept as text beside the other contacts.

What is kept is lines, then the locality, then the country (empty for France), each on a line of
its own; `PostalAddress.of` reads it back. How it is folded for an envelope is for whoever prints.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import polars as pl

from insurers.lists import nir
from insurers.lists.common_forms import Column
from insurers.lists.headers import ADDRESS_LINES, POSTAL
from insurers.lists.problems import Field, Problem

LONGEST_CELL = 100

# What a letter can be printed with: Latin, Greek, Cyrillic (the fonts that typst carries).
_PRINTABLE = r"^[\x{20}-\x{4ff}\x{1e00}-\x{203f}]*$"
_FRANCE = ("", "FR", "FRA", "FRANCE")
# An envelope names the country in the sender's language; lists often write its ISO 3166 code.
_COUNTRIES = {
    "AD": "Andorre",
    "AT": "Autriche",
    "BE": "Belgique",
    "CA": "Canada",
    "CH": "Suisse",
    "DE": "Allemagne",
    "DZ": "Algérie",
    "ES": "Espagne",
    "GB": "Royaume-Uni",
    "IE": "Irlande",
    "IT": "Italie",
    "LU": "Luxembourg",
    "MA": "Maroc",
    "MC": "Monaco",
    "NL": "Pays-Bas",
    "PT": "Portugal",
    "TN": "Tunisie",
    "UK": "Royaume-Uni",
    "US": "États-Unis",
}
_DIGITS_OF_A_NIR = 13


class PostalAddress(NamedTuple):
    """An address without the name; `country` is empty for France."""

    lines: tuple[str, ...]
    locality: str
    country: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what `postal_addresses` wrote."""
        *lines, locality, country = text.split("\n")
        return cls(tuple(lines), locality, country)

    def __repr__(self) -> str:
        """Say nothing: traces and test reports print it."""
        return "PostalAddress(…)"


def postal_addresses(
    cells: Mapping[Field, pl.Series], *, names: pl.Series, refuses_nir: bool
) -> Column:
    """Join the columns of `headers.POSTAL` into one; what is wrong with an address leaves it out.

    `names` holds "" for whoever has no name: no letter can be addressed to them. Usable is what
    has a line, a town and, in France, a postcode of five digits (a zero that a spreadsheet lost
    is put back).
    """
    table = pl.DataFrame({field.value: cells[field] for field in POSTAL if field in cells})
    missing = [pl.lit("").alias(field.value) for field in POSTAL if field not in cells]
    columns = [pl.col(field.value) for field in POSTAL]
    table = table.with_columns(missing).with_columns(
        pl.col("*").str.replace_all(r"[\s\p{C}]+", " ").str.strip_chars()
    )
    given = table.select(pl.any_horizontal(column != "" for column in columns)).to_series()
    places = given.arg_true()
    values = pl.repeat("", len(given), dtype=pl.String, eager=True)
    if places.is_empty():
        return Column(values)
    table = table.with_columns(names.alias("name")).filter(given)
    found = table.with_columns(*_by_country()).with_columns(_joined())
    problems = found.select(_problem(columns)).to_series()
    if refuses_nir:
        for place in _may_hold_a_nir(found["joined"]):
            if any(nir.holds_one(cell) for cell in table.row(place)):
                problems[place] = Problem.ADDRESS_NIR.value
    kept = found["joined"].set(problems.is_not_null(), "")
    bad = {
        place: Problem(problem)
        for place, problem in zip(places.to_list(), problems.to_list(), strict=True)
        if problem is not None
    }
    return Column(values.scatter(places, kept), bad)


def _by_country() -> tuple[pl.Expr, ...]:
    """Return the postcode, the country and whether it is France, each in one form."""
    country, postcode = pl.col(Field.COUNTRY.value), pl.col(Field.POSTCODE.value)
    code = country.str.to_uppercase()
    digits = postcode.str.replace_all(" ", "", literal=True).str.replace(r"[.,]0$", "")
    is_french = code.is_in(_FRANCE)
    is_number = digits.str.contains(r"^[0-9]{4,5}$")
    return (
        is_french.alias("is_french"),
        pl.when(is_french & is_number)
        .then(digits.str.zfill(5))
        .otherwise(postcode)
        .alias(Field.POSTCODE.value),
        pl.when(is_french)
        .then(pl.lit(""))
        .otherwise(code.replace_strict(_COUNTRIES, default=country))
        .alias(Field.COUNTRY.value),
    )


def _joined() -> pl.Expr:
    lines = [
        pl.when(pl.col(field.value) == "").then(pl.lit("")).otherwise(pl.col(field.value) + "\n")
        for field in ADDRESS_LINES
    ]
    postcode, city = pl.col(Field.POSTCODE.value), pl.col(Field.CITY.value)
    locality = pl.concat_str([postcode, city], separator=" ").str.strip_chars()
    return pl.concat_str([*lines, locality, pl.lit("\n"), pl.col(Field.COUNTRY.value)]).alias(
        "joined"
    )


def _problem(columns: list[pl.Expr]) -> pl.Expr:
    """Return the code of what is wrong with an address, null for nothing."""
    no_line = pl.all_horizontal(pl.col(field.value) == "" for field in ADDRESS_LINES)
    no_town = pl.col(Field.CITY.value) == ""
    no_code = pl.col("is_french") & ~pl.col(Field.POSTCODE.value).str.contains(r"^[0-9]{5}$")
    too_long = pl.any_horizontal(column.str.len_chars() > LONGEST_CELL for column in columns)
    unprintable = ~(pl.col("joined").str.replace_all("\n", "") + pl.col("name")).str.contains(
        _PRINTABLE
    )
    return (
        pl.when(no_line | no_town | no_code)
        .then(pl.lit(Problem.ADDRESS_INCOMPLETE.value))
        .when(too_long | unprintable)
        .then(pl.lit(Problem.ADDRESS_CHARACTERS.value))
        .when(pl.col("name") == "")
        .then(pl.lit(Problem.ADDRESS_WITHOUT_NAME.value))
    )


def _may_hold_a_nir(addresses: pl.Series) -> list[int]:
    return (addresses.str.count_matches("[0-9]") >= _DIGITS_OF_A_NIR).arg_true().to_list()
