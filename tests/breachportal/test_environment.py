"""Settings and keys come from the environment, or from a file that it names."""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from breachportal.environment import read

NAME = "PORTAL_TEST_SECRET"


def test_a_value_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "of the environment")
    assert read(NAME) == "of the environment"


def test_a_file_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("of the file\n", encoding="utf-8")
    monkeypatch.setenv(NAME, "of the environment")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert read(NAME) == "of the file"


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is not set"):
        read(NAME)
    assert read(NAME, "by default") == ("by default" if value is None else "")


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE"):
        read(NAME)


@pytest.mark.parametrize("name", ["SEALING_PRIVATE_KEY", "KEY_STORE_MASTER_KEY"])
def test_a_worker_takes_its_keys_from_files(name: str, tmp_path: Path) -> None:
    key = b64encode(bytes(range(32))).decode()
    (tmp_path / "key").write_text(key + "\n", encoding="utf-8")
    environment = os.environ | {
        "PORTAL_ROLE": "worker",
        "KEY_STORE_URL": f"wrapped://{tmp_path}",
        f"{name}_FILE": str(tmp_path / "key"),
        "KEY_STORE_MASTER_KEY": "of the environment",
    }
    shown = subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings; print(settings.{name})"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == key
