"""A pack beside heads that left earlier, by mail for example, with the pack's script alone."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.heads import EXPIRY, Head, key_fingerprint, signed_heads
from tests import cast
from tests.notifications.evidence.conftest import Packed, verified

KEY = Ed25519PrivateKey.generate()
ANOTHER = Ed25519PrivateKey.generate()


def mailed(
    folder: Path,
    head: Head,
    *,
    key: Ed25519PrivateKey = KEY,
    now: datetime = cast.NOW,
    format_: str = "breachportal-trail-heads-1",
) -> Path:
    """Keep a file of heads as the letter to auditors has it attached."""
    path = folder / "trail-00000007.heads"
    heads = [head, Head("portal", 3, bytes(32), now)]
    path.write_bytes(
        signed_heads(
            heads, portal="", number=7, previous_sha256="", key=key, now=now, format_=format_
        )
    )
    return path


def entry(packed: Packed, sequence: int) -> Head:
    """Return an entry of the pack's trail as the heads had it when it was the last."""
    told = json.loads(packed.read("trail.jsonl").splitlines()[sequence - 1])
    return Head(told["scope"], sequence, bytes.fromhex(told["hash"]), cast.NOW)


def said_of(packed: Packed, *files: Path) -> tuple[int, str]:
    """Return what the script finds, given the other key's fingerprint too."""
    more = [word for path in files for word in ("--head", str(path))]
    more += ["--head-key", key_fingerprint(KEY.public_key())]
    return verified(packed.path, key=packed.fingerprint, more=more)


def test_a_trail_that_only_grew_since_a_letter_is_right(packed: Packed, tmp_path: Path) -> None:
    code, said = said_of(packed, mailed(tmp_path, entry(packed, 4)))
    assert code == 0
    assert "exacte, le journal est le même jusqu’à l’entrée 4" in said


def rewritten(head: Head) -> Head:
    return Head(head.scope, head.sequence, bytes(32), head.at)


def cut(head: Head) -> Head:
    return Head(head.scope, 10_000, head.hash, head.at)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (rewritten, "l’entrée 4 du journal est une autre, il a été réécrit"),
        (cut, "le journal finit avant l’entrée 10000, le journal a été raccourci"),
    ],
)
def test_a_trail_made_anew_since_a_letter_is_found_though_the_pack_is_signed(
    packed: Packed, tmp_path: Path, changed: Callable[[Head], Head], why: str
) -> None:
    code, said = said_of(packed, mailed(tmp_path, changed(entry(packed, 4))))
    assert code == 1
    assert "FAUX  trail-00000007.heads : tête n° 7 du 2026-03-02" in said
    assert why in said
    assert "le dossier est signé, mais pas avec le journal des têtes." in said


def test_what_cannot_be_compared_is_said(packed: Packed, tmp_path: Path) -> None:
    elsewhere = Head("insurer:another", 4, bytes(32), cast.NOW)
    code, said = said_of(packed, mailed(tmp_path, elsewhere))
    assert (code, "ne dit rien de cet organisme" in said) == (0, True)
    later = mailed(tmp_path, cut(entry(packed, 4)), now=cast.NOW + timedelta(days=1))
    code, said = said_of(packed, later)
    assert (code, "le dossier a été fait avant" in said) == (0, True)


def test_a_letter_is_worth_what_its_signature_is(packed: Packed, tmp_path: Path) -> None:
    head = entry(packed, 4)
    path = mailed(tmp_path, head)
    content = path.read_bytes()
    for damage, why in (
        (content.replace(b'"number":7', b'"number":8'), "changé après sa signature"),
        (content[: len(content) // 2], "pas un fichier de têtes entier"),
        (b"", "pas un fichier de têtes entier"),
        (mailed(tmp_path, head, key=ANOTHER).read_bytes(), key_fingerprint(ANOTHER.public_key())),
        (mailed(tmp_path, head, format_=EXPIRY).read_bytes(), "ce n’est pas un fichier de têtes"),
    ):
        path.write_bytes(damage)
        code, said = said_of(packed, path)
        assert (code, why in said) == (1, True), said
    code, said = said_of(packed, tmp_path / "none.heads")
    assert (code, "IMPOSSIBLE" in said) == (2, True)
