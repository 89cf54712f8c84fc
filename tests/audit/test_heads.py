"""A trail against heads signed and kept elsewhere: what the database alone cannot tell."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command

from audit.heads import key_fingerprint, read_heads, signed_heads
from audit.trail import insurer_scope, record, verify
from tests.audit.tampering import behind_its_back, execute, rewrite_chain
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

PHARE = insurer_scope("0c7b5a52-6b4e-4c07-9a55-5f3d2a3d9f01")
KEY = Ed25519PrivateKey.generate()
FINGERPRINT = key_fingerprint(KEY.public_key())
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def write(*numbers: int) -> None:
    for number in numbers:
        record(action="list.accepted", scope=PHARE, detail={"rows": number})


def keep_heads(folder: Path, number: int = 1, *, key: Ed25519PrivateKey = KEY) -> Path:
    """Sign the heads as they are, as a worker does each hour."""
    path = folder / f"trail-{number:08d}.heads"
    with as_role("worker"):
        heads = read_heads()
    content = signed_heads(
        heads, portal="https://a.fr", number=number, previous_sha256="", key=key, now=NOW
    )
    path.write_bytes(content)
    return path


def compared(*paths: Path, keys: Sequence[str] = (FINGERPRINT,)) -> str:
    """Return what the command says, as the worker role runs it."""
    said = StringIO()
    with as_role("worker"):
        try:
            call_command("verify_trail", against=list(paths), key=keys, stdout=said, stderr=said)
        except CommandError as error:
            said.write(str(error))
    return said.getvalue()


def test_a_trail_that_only_grew_agrees(tmp_path: Path) -> None:
    write(1, 2)
    keep_heads(tmp_path, 1)
    write(3)
    record(action="user.changed", scope="portal")
    keep_heads(tmp_path, 2)
    assert compared(tmp_path) == (
        "4 entries in 2 chains: nothing was changed.\n2 signed files of heads agree.\n"
    )


def cut_the_end() -> None:
    execute("DELETE FROM audit_auditentry WHERE sequence >= 3")


def change_one() -> None:
    execute("UPDATE audit_auditentry SET detail = '{}' WHERE sequence = 3")


def delete_one() -> None:
    execute("DELETE FROM audit_auditentry WHERE sequence = 3")


def insert_one() -> None:
    execute("UPDATE audit_auditentry SET sequence = sequence + 1 WHERE sequence = 4")
    execute("UPDATE audit_auditentry SET sequence = sequence + 1 WHERE sequence = 3")
    execute(
        "INSERT INTO audit_auditentry (scope, sequence, at, actor, action, subject, outcome,"
        " detail, previous_hash, hash) SELECT scope, 3, at, actor, 'list.refused', subject,"
        " outcome, detail, hash, hash FROM audit_auditentry WHERE sequence = 2"
    )


def reorder() -> None:
    for before, after in ((3, -3), (4, 3), (-3, 4)):
        execute(f"UPDATE audit_auditentry SET sequence = {after} WHERE sequence = {before}")


def drop_the_scope() -> None:
    execute("DELETE FROM audit_auditentry")


@pytest.mark.parametrize(
    ("tamper", "named", "why"),
    [
        (cut_the_end, 3, "the end of the chain was cut, with its head"),
        (change_one, 3, "rewritten with its hashes, here, or a later one up to entry 4"),
        (
            delete_one,
            3,
            "rewritten with its hashes, here, or a later one up to entry 4, of which those after 3"
            " are gone",
        ),
        (insert_one, 3, "rewritten with its hashes, here, or a later one up to entry 4"),
        (reorder, 3, "rewritten with its hashes, here, or a later one up to entry 4"),
        (drop_the_scope, 1, "the whole chain is gone"),
    ],
)
def test_a_chain_made_anew_with_its_hashes_and_its_head_is_found(
    tmp_path: Path, tamper: Callable[[], None], named: int, why: str
) -> None:
    """Two heads are kept: the first bad entry stands between the last good one and the bad one."""
    write(1, 2)
    keep_heads(tmp_path, 1)
    write(3, 4)
    keep_heads(tmp_path, 2)
    with behind_its_back():
        tamper()
        rewrite_chain(PHARE)
    assert verify(scope=PHARE) is None  # the database itself tells nothing
    assert f"{PHARE}: entry {named}: {why}; the head signed at " in compared(tmp_path)


def test_between_two_heads_one_entry_apart_the_entry_is_named(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(number)
        keep_heads(tmp_path, number)
    with behind_its_back():
        execute("UPDATE audit_auditentry SET actor = 'account:9' WHERE sequence = 2")
        rewrite_chain(PHARE)
    assert f"{PHARE}: entry 2: rewritten with its hashes, here; the head" in compared(tmp_path)


def test_an_entry_changed_without_its_hashes_is_named_by_the_chain_itself(tmp_path: Path) -> None:
    write(1, 2, 3)
    kept = keep_heads(tmp_path)
    with behind_its_back():
        execute("UPDATE audit_auditentry SET actor = 'account:9' WHERE sequence = 2")
    assert f"{PHARE}: entry 2: changed after it was written" in compared(kept)


def test_entries_written_over_a_cut_are_found(tmp_path: Path) -> None:
    write(1, 2, 3)
    kept = keep_heads(tmp_path)
    with behind_its_back():
        execute("DELETE FROM audit_auditentry WHERE sequence > 1")
        rewrite_chain(PHARE)
    write(4, 5, 6)
    assert f"{PHARE}: entry 1: rewritten with its hashes" in compared(kept)


def test_a_file_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    write(1)
    keep_heads(tmp_path, 7)
    keep_heads(tmp_path, 10)
    assert "files 8 to 9 missing" in compared(tmp_path)


def test_a_head_is_worth_what_its_signature_is(tmp_path: Path) -> None:
    write(1, 2)
    kept = keep_heads(tmp_path)
    forged = keep_heads(tmp_path, 2, key=Ed25519PrivateKey.generate())
    assert compared(forged) == f"{forged.name}: it is signed by another key than the one expected"
    content = kept.read_bytes()
    for damage, what in (
        (content.replace(b'"sequence":2', b'"sequence":1'), "changed after it was signed"),
        (content[:-1], "it is not whole"),
        (content.splitlines(keepends=True)[0], "its last line is no signature"),
    ):
        kept.write_bytes(damage)
        assert what in compared(kept)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert compared(tmp_path / "none.heads") == "none.heads: No such file or directory"


def test_the_key_is_given_from_elsewhere(tmp_path: Path) -> None:
    write(1)
    kept = keep_heads(tmp_path)
    assert "--against needs --key" in compared(kept, keys=())
    pem = tmp_path / "key.pem"
    pem.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert "1 signed files of heads agree" in compared(kept, keys=[str(pem)])


def test_files_of_two_keys_agree_where_both_are_given(tmp_path: Path) -> None:
    write(1)
    keep_heads(tmp_path, 1)
    later = Ed25519PrivateKey.generate()
    write(2)
    after = keep_heads(tmp_path, 2, key=later)
    assert compared(tmp_path) == f"{after.name}: it is signed by another key than the one expected"
    both = [FINGERPRINT, key_fingerprint(later.public_key())]
    assert "2 signed files of heads agree" in compared(tmp_path, keys=both)
