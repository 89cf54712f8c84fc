"""What the project's own directory says, loaded once for all of these tests."""

import csv
import io

from django.core.management import call_command
from django.db.models import Count, Q
from django.test import TestCase

from insurers.directory.loading import KEYS
from insurers.management.commands.load_directory import FOLDER
from insurers.models import (
    Affiliation,
    ExposedData,
    ImpactReport,
    Insurer,
    Source,
    SourceKind,
)


def affiliation(insurer: str, operator: str) -> Affiliation:
    return Affiliation.objects.get(insurer__slug=insurer, operator__code=operator)


def exposed(operator: str, population: str, category: str) -> ExposedData:
    return ExposedData.objects.get(
        operator__code=operator, population__code=population, category__code=category
    )


class TestDirectoryData(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_directory", stdout=io.StringIO())

    def test_every_fact_names_its_source(self) -> None:
        for model in KEYS:
            if hasattr(model, "sources"):
                facts = model._default_manager.annotate(known=Count("sources"))
                assert not facts.filter(known=0).exists(), model

    def test_every_source_says_who_speaks(self) -> None:
        assert set(Source.objects.values_list("kind", flat=True)) == set(SourceKind.values)
        assert not Source.objects.filter(Q(publisher="") | Q(url="")).exists()

    def test_every_text_stands_in_both_languages(self) -> None:
        for file in FOLDER.rglob("*.csv"):
            for row in csv.DictReader(file.read_text().splitlines()):
                for column in (name for name in row if name.endswith("_fr")):
                    english = row[column.removesuffix("_fr") + "_en"]
                    assert bool(row[column]) == bool(english), (file.name, row)

    def test_a_documented_client_relationship_is_not_an_announcement(self) -> None:
        silent = Insurer.objects.filter(impact_reports=None).values_list("slug", flat=True)
        assert set(silent) == {
            "adrea",
            "ag2r-la-mondiale",
            "apreva",
            "audiens",
            "diot-siaci",
            "eovi-mcd",
            "generali",
            "harmonie-mutuelle",
            "macif",
        }

    def test_former_brands_point_to_their_successor(self) -> None:
        former = Insurer.objects.filter(successor__slug="aesio-mutuelle")
        assert {brand.slug for brand in former} == {"adrea", "apreva", "eovi-mcd"}

    def test_a_date_that_is_not_exact_says_so(self) -> None:
        for insurer, operator, words in (
            ("mutami", "viamedis", "l’année 2016"),
            ("mutuelle-lmp", "almerys", "que l’année"),
            ("la-mutuelle-generale", "almerys", "déduite"),
        ):
            inexact = affiliation(insurer, operator)
            assert inexact.valid_from_date is not None
            assert words in inexact.note_fr

    def test_an_undated_announcement_says_so(self) -> None:
        undated = ImpactReport.objects.filter(announced_date=None, operator__isnull=False)
        assert len(undated) == 13
        for report in undated:
            assert "non daté" in report.note_fr or "sans date" in report.note_fr, report

    def test_the_message_reported_for_one_region_says_so(self) -> None:
        for report in ImpactReport.objects.filter(insurer__slug="aesio-mutuelle"):
            assert "La Réunion" in report.note_fr
            assert "La Réunion" in report.note_en

    def test_only_mhv_is_declared_not_concerned(self) -> None:
        report = ImpactReport.objects.get(status="not_concerned")
        assert (report.insurer.slug, report.operator) == ("mhv", None)
        assert not report.insurer.affiliations.exists()

    def test_partly_concerned_insurers_name_their_scope(self) -> None:
        for report in ImpactReport.objects.filter(status="partly").select_related("operator"):
            assert report.operator is not None
            assert affiliation(report.insurer.slug, report.operator.code).scope_fr

    def test_bank_details_of_professionals_alone_were_exposed(self) -> None:
        assert not exposed("viamedis", "insured_people", "bank_details").is_exposed
        assert exposed("viamedis", "health_professionals", "iban").is_exposed

    def test_a_statement_keeps_the_sources_of_the_weaker_one(self) -> None:
        phone = exposed("almerys", "insured_people", "phone")
        assert phone.certainty == "stated"
        assert "CNIL (intrassi.net)" in {source.publisher for source in phone.sources.all()}
