"""The portal operator's pages of the directory, as the web role serves them."""

from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from insurers.admin.directory_csv import WaitingFile
from insurers.models import Affiliation, ImpactReport, Insurer, Source
from tests import cast

pytestmark = pytest.mark.django_db

MODELS = (
    "insurer",
    "affiliation",
    "impactreport",
    "breach",
    "exposeddata",
    "operator",
    "population",
    "datacategory",
    "advice",
    "source",
)
AFFILIATIONS = "insurer,operator,scope_fr,scope_en,valid_from_date,valid_until_date,source\n"


@pytest.fixture
def odile(client: Client) -> Client:
    return cast.sign_in(client, cast.odile())


def test_pages_have_the_icon_of_the_others(odile: Client) -> None:
    assert 'rel="icon"' in odile.get(reverse("admin:index")).content.decode()


def upload(odile: Client, model: str, text: str) -> str:
    """Send a file for preview; return the page."""
    file = SimpleUploadedFile("file.csv", text.encode(), content_type="text/csv")
    response = odile.post(
        reverse(f"admin:insurers_{model}_import"), {"format": "0", "import_file": file}
    )
    assert response.status_code == 200
    return response.content.decode()


def confirm(odile: Client, model: str, text: str) -> None:
    """Send a file, then confirm its import."""
    file = SimpleUploadedFile("file.csv", text.encode(), content_type="text/csv")
    preview = odile.post(
        reverse(f"admin:insurers_{model}_import"), {"format": "0", "import_file": file}
    )
    answers = preview.context["confirm_form"].initial
    odile.post(reverse(f"admin:insurers_{model}_process_import"), answers)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_the_operator_opens_every_page(odile: Client, model: str, page: str) -> None:
    cast.phare()

    assert odile.get(reverse(f"admin:insurers_{model}_{page}")).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_the_operator_searches_every_list(odile: Client, model: str) -> None:
    address = reverse(f"admin:insurers_{model}_changelist")

    assert odile.get(address, {"q": "phare"}).status_code == 200


def test_a_preparer_does_not_reach_the_directory_pages(client: Client) -> None:
    cast.sign_in(client, cast.paule())

    assert client.get(reverse("admin:insurers_insurer_changelist")).status_code == 302


def test_the_insurer_page_shows_its_affiliations(odile: Client) -> None:
    page = odile.get(reverse("admin:insurers_insurer_change", args=[cast.phare().pk]))

    assert "affiliations-0-operator" in page.content.decode()


def test_the_breach_page_shows_its_operators(odile: Client) -> None:
    page = odile.get(reverse("admin:insurers_breach_change", args=[cast.breach().pk]))

    assert "operator_parts-1-operator" in page.content.decode()


@pytest.mark.parametrize("model", ["insurer", "breach", "operator", "population", "source"])
def test_rows_that_others_hang_on_cannot_be_deleted(odile: Client, model: str) -> None:
    page = odile.get(reverse(f"admin:insurers_{model}_changelist"))

    assert "delete_selected" not in page.content.decode()


def test_a_change_is_written_to_the_trail_without_its_value(odile: Client) -> None:
    source = cast.source()
    address = reverse("admin:insurers_source_change", args=[source.pk])

    odile.post(address, {"url": source.url, "publisher": "Gazette", "kind": "press"})

    entry = AuditEntry.objects.get(action="source.changed")
    assert Source.objects.get(pk=source.pk).publisher == "Gazette"
    assert (entry.scope, "Gazette" in entry.detail) == ("portal", False)


def test_an_end_before_the_start_is_refused_with_words(odile: Client) -> None:
    affiliation = cast.phare().affiliations.get()
    response = odile.post(
        reverse("admin:insurers_affiliation_change", args=[affiliation.pk]),
        {
            "insurer": affiliation.insurer_id,
            "operator": affiliation.operator_id,
            "source": affiliation.source_id,
            "valid_from_date": "2024-02-01",
            "valid_until_date": "2024-01-01",
        },
    )

    assert "La fin du rattachement précède son début." in response.content.decode()


def test_what_is_exported_can_be_imported_again(odile: Client) -> None:
    cast.phare().aliases.create(name="Le Phare")
    for model in ("insurer", "affiliation", "impactreport"):
        exported = odile.get(reverse(f"admin:insurers_{model}_export")).content.decode()
        assert "confirm_form" not in exported
        assert "mutuelle-du-phare" in exported

        assert 'class="skip"' in upload(odile, model, exported)


def test_insurers_are_imported_by_slug_with_their_other_names(odile: Client) -> None:
    phare = cast.phare()
    phare.aliases.create(name="Ancien nom")

    confirm(
        odile,
        "insurer",
        "slug,name,aliases,amc_numbers\n"
        "mutuelle-du-phare,Mutuelle du Phare (fictive),Le Phare|MDP,0012\n"
        "mutuelle-neuve,Mutuelle Neuve,,\n",
    )

    assert {alias.name for alias in phare.aliases.all()} == {"Le Phare", "MDP"}
    assert phare.amc_numbers.get().number == "0012"
    assert Insurer.objects.get(slug="mutuelle-neuve").name == "Mutuelle Neuve"


def test_affiliations_are_imported_by_natural_keys(odile: Client) -> None:
    cast.phare()
    url = cast.source().url

    confirm(
        odile,
        "affiliation",
        AFFILIATIONS
        + f"mutuelle-du-phare,alphapay,,,,2025-12-31,{url}\n"
        + f"mutuelle-du-phare,alphapay,retraités,pensioners,2026-01-02,,{url}\n",
    )

    ends = Affiliation.objects.order_by("scope_fr").values_list("scope_fr", "valid_until_date")
    assert [(scope, str(end)) for scope, end in ends] == [("", "2025-12-31"), ("retraités", "None")]
    assert str(Affiliation.objects.get(scope_en="pensioners").valid_from_date) == "2026-01-02"


def test_impact_reports_are_imported_by_natural_keys(odile: Client) -> None:
    cast.phare()

    confirm(
        odile,
        "impactreport",
        "breach,insurer,operator,status,announced_date,source\n"
        f"alphapay-betapay-2026,mutuelle-du-phare,alphapay,partly,,{cast.source().url}\n",
    )

    report = ImpactReport.objects.get()
    assert (report.status, report.announced_date) == ("partly", None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("mutuelle-du-phare,gammapay,,,,,{url}", "gammapay"),
        ("mutuelle-du-phare,betapay,,,2026-02-01,2026-01-01,{url}", "précède son début"),
        ("mutuelle-du-phare,betapay,,,01/02/2026,,{url}", "valid_from_date"),
        ("mutuelle-du-phare,betapay,,,,,https://nowhere.example.fr", "nowhere.example.fr"),
    ],
)
def test_a_file_with_one_bad_row_is_refused_whole(odile: Client, row: str, said: str) -> None:
    cast.phare()
    url = cast.source().url
    good = f"mutuelle-du-phare,betapay,jeunes,young people,,,{url}\n"

    page = upload(odile, "affiliation", AFFILIATIONS + good + row.format(url=url) + "\n")

    assert said in page
    assert "Traceback" not in page
    assert "process_import" not in page
    assert Affiliation.objects.count() == 1


def test_a_bad_row_is_named_by_its_line_in_the_file(odile: Client) -> None:
    page = upload(odile, "affiliation", AFFILIATIONS + "nobody,alphapay,,,,,\n")

    assert ": 2 - «\u00a0nobody\u00a0» est inconnu" in page


def test_an_unknown_column_is_refused(odile: Client) -> None:
    page = upload(odile, "insurer", "slug,name,amc\nphare,Phare,12\n")

    assert "colonnes inconnues\u00a0: amc" in page
    assert "Traceback" not in page


def test_an_import_is_written_to_the_trail(odile: Client) -> None:
    confirm(odile, "insurer", "slug,name\nmutuelle-neuve,Mutuelle Neuve\n")

    entry = AuditEntry.objects.get(action="insurer.imported")
    assert (entry.scope, entry.detail) == ("portal", '{"new":1}')


def test_a_row_that_went_bad_since_the_preview_imports_nothing(odile: Client) -> None:
    cast.phare()
    good = f"mutuelle-du-phare,betapay,,,,,{cast.source().url}\n"
    bad = good.replace("phare,", "large,")
    preview = odile.post(
        reverse("admin:insurers_affiliation_import"),
        {"format": "0", "import_file": SimpleUploadedFile("f.csv", (AFFILIATIONS + good).encode())},
    )
    answers = preview.context["confirm_form"].initial
    cache.set(
        WaitingFile.CACHE_PREFIX + answers["import_file_name"], (AFFILIATIONS + good + bad).encode()
    )

    page = odile.post(reverse("admin:insurers_affiliation_process_import"), answers, follow=True)

    assert "Rien n’a été importé" in page.content.decode()
    assert not Affiliation.objects.filter(operator__code="betapay").exists()
    assert not AuditEntry.objects.filter(action="affiliation.imported").exists()


def test_a_file_forgotten_by_the_cache_is_asked_for_again(odile: Client) -> None:
    answers = {"import_file_name": "gone", "original_file_name": "f.csv", "format": "0"}

    page = odile.post(reverse("admin:insurers_insurer_process_import"), answers, follow=True)

    assert "envoyez-le de nouveau" in page.content.decode()


def test_a_file_awaiting_confirmation_is_on_no_disk(
    odile: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    upload(odile, "insurer", "slug,name\nmutuelle-neuve,Mutuelle Neuve\n")

    assert list(tmp_path.iterdir()) == []


def test_the_import_page_has_no_inline_script(odile: Client) -> None:
    page = upload(odile, "insurer", "slug,name\nmutuelle-neuve,Mutuelle Neuve\n")

    assert "<script>" not in page
    assert " style=" not in page
    assert "onclick" not in page
