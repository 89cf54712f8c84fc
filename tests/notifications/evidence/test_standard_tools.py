"""What docs/evidence.md says to type works, and ends where something is wrong."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from audit.heads import Head, signed_heads
from notifications.evidence.keys import public_pem
from tests.notifications.evidence.conftest import Packed

TOOLS = ("openssl", "jq", "sha256sum", "diff", "bash")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"
)
OF_PACK, OF_HEADS = re.findall(
    r"```sh\n(.*?)```", (settings.BASE_DIR / "docs/evidence.md").read_text(), re.DOTALL
)


def typed(commands: str, folder: Path, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout.decode()


@pytest.fixture
def unpacked(packed: Packed, tmp_path: Path) -> Path:
    with ZipFile(packed.path) as pack:
        pack.extractall(tmp_path)
    return tmp_path


def test_an_untouched_pack_is_right(unpacked: Path, packed: Packed) -> None:
    code, said = typed(OF_PACK, unpacked, KEY=packed.fingerprint)
    assert code == 0, said
    assert "Signature Verified Successfully" in said


def test_each_change_ends_it(unpacked: Path, packed: Packed) -> None:
    def ends() -> bool:
        return typed(OF_PACK, unpacked, KEY=packed.fingerprint)[0] != 0

    assert typed(OF_PACK, unpacked, KEY="0" * 64)[0] != 0
    (unpacked / "more.txt").write_text("more")
    assert ends()
    (unpacked / "more.txt").unlink()
    for name in ("manifest.json", "register.csv", "trail.jsonl", "events/*.csv"):
        (path,) = unpacked.glob(name)
        content = path.read_bytes()
        path.write_bytes(content[:-2] + b"0\n")
        assert ends(), name
        path.write_bytes(content)
    (unpacked / "purges.csv").unlink()
    assert ends()


def test_heads_are_checked_by_openssl(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    heads = [Head("portal", 3, bytes(32), now)]
    content = signed_heads(heads, portal="", number=1, previous_sha256="", key=key, now=now)
    (tmp_path / "public_key.pem").write_bytes(public_pem(key.public_key()))
    for told, is_right in ((content, True), (content.replace(b":3,", b":2,"), False)):
        (tmp_path / "trail.heads").write_bytes(told)
        code, said = typed(OF_HEADS, tmp_path, HEADS="trail.heads")
        assert (code == 0) is is_right, said
