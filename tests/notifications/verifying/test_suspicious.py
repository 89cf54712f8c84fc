"""Reports of suspicious messages: nothing personal is kept, alike ones are one, nothing opens."""

import time
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import ProgrammingError
from hypothesis import given
from hypothesis import strategies as st

from insurers.row_security import row_scope
from notifications.models import SuspiciousMessage
from notifications.models.suspicious import AT_MOST
from notifications.references import check_symbol, derive
from notifications.verifying.masking import masked
from notifications.verifying.suspicious import (
    TEXTS_READ,
    TRACES_SHOWN,
    Suspicion,
    forget_old_reports,
    grouped,
    inert,
    likeness,
    report_message,
    suspicions,
)
from tests import cast
from tests.conftest import as_role

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("mon NIR 1 85 05 78 006 084 36 ok", "mon NIR [numéro] ok"),
        ("NIR2850578006084.", "NIR[numéro]."),
        ("1850578006084", "[numéro]"),
        ("１８５０５７８００６０８４", "[numéro]"),
        ("18505\u200b78006\u202e084", "[numéro]"),
        ("e\u200b\u0301crit", "écrit"),
        ("<lise@phare.example.fr>, a.b@c.d.example", "<[e-mail]>, [e-mail]"),
        ("écris à lise.hublot+x@phare.example.fr vite", "écris à [e-mail] vite"),
        ("IBAN FR76 3000 6000 0112 3456 7890 189 merci", "IBAN [numéro] merci"),
        ("fr1420041010050500013m02606", "[numéro]"),
        ("GB29 NWBK 6016 1331 9268 19", "[numéro]"),
        ("carte 4970-1012-3456-7893", "carte [numéro]"),
        ("rib 30006 00001 12345678901 89", "rib [numéro]"),
        ("https://scam.test/p/a?mail=lise&id=4#x suite", "https://scam.test/p/a?… suite"),
        ("scam.test?id=4", "scam.test?…"),
        ("scam.test:80/a;id=4 ; suite", "scam.test:80/a?… ; suite"),
        ("lise@phare, lise@[10.0.0.1].", "[e-mail], [e-mail]."),
        ("écris à lise (at) phare.example.fr vite", "écris à [e-mail] vite"),
        ("lise [arobase] phare (point) fr", "[e-mail]"),
        ("scam.test/u/lise%40phare.example.fr/", "scam.test/u/[e-mail]/"),
        ("IBAN_FR76_3000_6000_0112_3456_7890_189", "IBAN_[numéro]"),
        ("FR76/3000/6000/0112/3456/7890/189", "[numéro]"),
        ("FR76\n3000  6000 0112 3456 7890 189", "[numéro]"),
        ("carte 4970  1012  3456  7893, 06 39 98 00 12", "carte [numéro], 06 39 98 00 12"),
        ("4970\n1012\n3456\n7893", "[numéro]"),
        ("4970/1012/3456/7893 4970,1012,3456,7893", "[numéro]"),
        ("né le 12/03/1980, née le 4 mai 2019.", "né le [date], née le [date]."),
        ("12 mars 1980 ; 12 févr. 1980 ; 1er mars 1980", "[date] ; [date] ; [date]"),
        ("12/03/80 ; 12.03.1980 ; 1980-03-12", "[date] ; [date] ; [date]"),
        ("le 12 03 1980, le 12_03_1980", "le [date], le [date]"),
        ("March 12th, 1980 ou 12031980 ou 19800312", "[date] ou [date] ou [date]"),
        ("12 \u2044 03 \u2044 1980", "[date]"),
        ("mars 1980, le 12 ; 12 marz 1980", "[date] ; [date]"),
        ("https://lise.hublot@evil.test/a", "https://…@evil.test/a"),
        ("1850578\u034f006084", "[numéro]"),
        ("\u3164\u2800\u200b\ufe0f", ""),
    ],
)
def test_what_is_personal_is_masked(written: str, kept: str) -> None:
    assert masked(written) == kept


@pytest.mark.parametrize("form", ["{}", "code {}.", "{} est mon code"])
@pytest.mark.parametrize("number", range(5))
def test_a_reference_is_masked_however_it_is_written(form: str, number: int) -> None:
    reference = derive(number)
    for written in (reference, reference.lower(), reference.replace("-", " ")):
        assert masked(form.format(written)) == form.format("[référence]")
    assert masked(form.format(reference.replace("-", ""))) == form.format("[référence]")


def test_a_reference_without_a_digit_is_masked() -> None:
    symbols = "BCDFGHJKMNPX" + check_symbol("BCDFGHJKMNPX")
    grouped = "-".join([symbols[:4], symbols[4:8], symbols[8:12], symbols[12]])
    for written in (symbols, grouped, grouped.lower(), grouped.replace("-", " ")):
        assert masked(f"mon code {written}, merci") == "mon code [référence], merci"


@pytest.mark.parametrize(
    "between", ["    ", "\n", "_", " - ", "/", "–", ". "], ids=lambda between: repr(between)
)
@pytest.mark.parametrize("number", range(5))
def test_a_reference_is_masked_whatever_stands_between(between: str, number: int) -> None:
    reference = derive(number)
    assert masked(f"à {reference.replace('-', between)} !") == "à [référence] !"
    assert masked(" ".join(reference.replace("-", ""))) == "[référence]"


@pytest.mark.parametrize("form", ["{}x", "réf{}", "a_{}", "{}Merci", "{}_", "https://a.test/{}"])
@pytest.mark.parametrize("number", range(20))
def test_a_reference_is_masked_whatever_touches_it(form: str, number: int) -> None:
    reference = derive(number)
    for written in (reference, reference.replace("-", "")):
        assert "[référence]" in (kept := masked(form.format(written)))
        assert not any(group in kept for group in reference.split("-")[:3])


@pytest.mark.parametrize("place", [1, 5, 6, 12])
def test_a_reference_is_masked_wherever_it_is_cut(place: int) -> None:
    symbols = derive(3).replace("-", "")
    assert masked(f"code {symbols[:place]} {symbols[place:]}, merci") == "code [référence], merci"


@pytest.mark.parametrize(
    "text",
    [
        "Appelez le 06 39 98 00 12 ou le +33 6 39 98 00 12, 0033639980012.",
        "Votre colis FR12345678 est en attente : vous avez tout à payer, 1,99 €.",
        "Pour vous dire à bientôt\nMutuelle du Phare",
        "remboursement de 12.50 euros sur https://scam.test/payer",
        "49,90, 08 99 00 00 01 / 08 99 00 00 02\n0899000003, +33899000004",
        "avant le 12/03/2026 à 14h30, le 5 mars 2026, le 01.04.26",
        "Depuis 1999, 12 000 personnes ; en mars 2017 ; 06.12.03.80.12",
        "tel 06 39 98 00 12, code 3639, ou 0 899 00 00 01",
        "https://ameli.fr@evil.test/a",
        "la loi Informatique et Libertés du 6 janvier 1978",
    ],
)
def test_what_tells_a_scam_stays(text: str) -> None:
    assert masked(text) == text


@given(
    before=st.text(max_size=60),
    personal=st.sampled_from(
        ["1850578006084", "lise@phare.example.fr", derive(1), "4970101234567893"]
    ),
    after=st.text(max_size=60),
)
def test_it_is_masked_wherever_it_stands(before: str, personal: str, after: str) -> None:
    assert personal not in masked(f"{before} {personal} {after}")


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "1",
        "a-",
        "a.",
        "1 ",
        "a@",
        "12.",
        "http://a",
        "A1",
        "abcd ",
        "a@a.",
        "aa.",
        "aa-",
        "1\n\n",
        "http://aa.aa/",
        "0K",
        "0 ",
        "12 mars ",
        "née le ",
        "loi ",
        "mars 1980 ",
        "a (at) ",
        "1,\n\n\n",
        "a%40",
        "06399800",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.monotonic()
    inert(masked(text * (AT_MOST // len(text))))
    likeness(text * (AT_MOST // len(text)))
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://exemple.test/a", "hxxps://exemple[.]test/a"),
        ("https://ameli.fr@evil.test/a", "hxxps://ameli[.]fr@evil[.]test/a"),
        ("HTTP://1.2.3.4/", "hxxp://1[.]2[.]3[.]4/"),
        ("www.exemple.test", "www[.]exemple[.]test"),
        ("tout va. Bien, 12.50 €", "tout va. Bien, 12.50 €"),
        ("06 39 98 00 12", "06 39 98 00 12"),
        ("a\u202eb\u2066c\x07d\u200be", "abcde"),
    ],
)
def test_nothing_that_is_shown_opens(text: str, read: str) -> None:
    assert inert(text) == read


def test_alike_means_the_same_words_and_sites() -> None:
    first = "Bonjour, réglez 1,99 € sur https://scam.test/a1 avant le 12."
    assert likeness(first) == likeness("BONJOUR réglez 2,50 €  sur https://scam.test/b2 avant le 3")
    assert likeness(first) != likeness(first.replace("scam", "autre"))
    assert likeness("06 39 98 00 12") != likeness("06 39 98 00 13")
    assert likeness("06 39 98 00 12") == likeness("0639980012")


def report(
    text: str = "Payez 1 €", *, place: str = "", channel: str = "", day: date = TODAY
) -> None:
    insurer = {"phare": cast.phare, "dune": cast.dune}[place]() if place else None
    with as_role("web"):
        report_message(text=text, channel=channel, insurer=insurer, today=day)


def shown() -> list[Suspicion]:
    rows = SuspiciousMessage.objects.all()
    return suspicions(grouped(rows), rows)


@pytest.mark.django_db
def test_the_numbers_and_links_of_all_alike_are_listed() -> None:
    text = "Réglez {} € : https://scam.test/{} ou {}."
    report(text.format("1,99", "a1", "0 899 00 00 01"), day=TODAY - timedelta(days=2))
    report(text.format("25 000", "b2?x=1", "08.99.00.00.02"))
    report(text.format("3", "b2?x=2", "+33 899 00 00 01"), day=TODAY - timedelta(days=1))
    (suspicion,) = shown()
    assert suspicion.times == 3
    assert suspicion.numbers == ("08 99 00 00 02", "+33 899 00 00 01")
    assert suspicion.links == ("hxxps://scam[.]test/b2?…", "hxxps://scam[.]test/a1")


@pytest.mark.django_db
def test_short_numbers_are_listed_and_prices_and_sites_are_not() -> None:
    report("Composez le 36 46, 1014 ou 81234 : 12345 €, 36 46 12, scam.test, 3,3646, en 2026.")
    (suspicion,) = shown()
    assert suspicion.numbers == ("36 46", "1014", "81234")
    assert suspicion.links == ()


@pytest.mark.django_db
def test_no_more_is_read_or_listed_than_somebody_reads() -> None:
    for number in range(TEXTS_READ + 5):
        report(f"Appelez le 08 99 00 00 {number:02} : scam.test/{'é' * 300}{number}")
    (suspicion,) = shown()
    assert suspicion.times == TEXTS_READ + 5
    assert len(suspicion.numbers) == TRACES_SHOWN
    assert [len(link) for link in suspicion.links] == [200]


@pytest.mark.django_db
def test_reports_are_counted_by_likeness() -> None:
    report("Payez 1 €", place="phare", channel="sms", day=TODAY - timedelta(days=3))
    report("payez 20 €", channel="email")
    report("Autre chose", day=TODAY - timedelta(days=1))
    first, second = shown()
    assert (first.times, first.first_date, first.last_date) == (
        2,
        TODAY - timedelta(days=3),
        TODAY,
    )
    assert (set(first.channels), first.insurers) == ({"sms", "email"}, (cast.phare().name,))
    assert (second.times, second.channels, second.insurers) == (1, (), ())


@pytest.mark.django_db
def test_the_web_role_adds_and_neither_changes_nor_erases() -> None:
    report(place="phare")
    rows, phare = SuspiciousMessage.objects.all(), cast.phare().pk
    for act in (rows.delete, partial(rows.update, text="")):
        with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
            with row_scope(insurers=[phare], role="staff", user_id=None):
                act()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "insurers", "seen"),
    [("nobody", [], 0), ("staff", ["phare"], 1), ("auditor", ["dune"], 1), ("operator", [], 3)],
)
def test_each_sees_what_names_its_insurer(role: str, insurers: list[str], seen: int) -> None:
    for place in ("phare", "dune", ""):
        report(place=place)
    places = [{"phare": cast.phare, "dune": cast.dune}[one]().pk for one in insurers]
    with as_role("web"), row_scope(insurers=places, role=role, user_id=None):  # type: ignore[arg-type]
        assert SuspiciousMessage.objects.count() == seen


@pytest.mark.django_db
def test_a_report_is_erased_after_a_year() -> None:
    report(day=TODAY - timedelta(days=365))
    report(day=TODAY - timedelta(days=366))
    with as_role("worker"):
        assert forget_old_reports(today=TODAY) == 1
    assert SuspiciousMessage.objects.get().reported_date == TODAY - timedelta(days=365)
