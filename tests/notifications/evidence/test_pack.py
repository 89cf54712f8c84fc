"""A pack of evidence: whole, checked by its own script, silent about people; tampering is named."""

import csv
import hashlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from notifications.evidence.archive import PackEntry, json_bytes
from notifications.evidence.keys import public_pem
from notifications.evidence.verify_evidence import (
    central_header,
    check,
    end_of_directory,
    fingerprint_of,
    local_header,
)
from tests.notifications.evidence.conftest import EMAILS, WHY_EXEMPT, Packed, verified

Files = dict[str, bytes]


def files_of(packed: Packed) -> Files:
    with ZipFile(packed.path) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def events_name(files: Files) -> str:
    (name,) = (name for name in files if name.startswith("events/"))
    return name


def repacked(files: Files, path: Path) -> Path:
    """Make a ZIP as packs are, so that nothing but the contents differs."""
    with ZipFile(path, "w") as pack:
        for name, content in files.items():
            with pack.open(PackEntry(name), "w", force_zip64=True) as into:
                into.write(content)
    return path


def said_of(packed: Packed, files: Files, folder: Path) -> list[str]:
    """Return what the script finds wrong with these files."""
    code, said = verified(repacked(files, folder / "pack.zip"), key=packed.fingerprint)
    *faults, last = said.splitlines()
    assert code == 1, said
    assert last.endswith("ce dossier n’est pas celui que le portail a signé.")
    return [fault.removeprefix("FAUX  ") for fault in faults]


def signed_again(files: Files, key: Ed25519PrivateKey) -> Files:
    """Make the manifest say what the files are, and sign it with another key."""
    manifest = json.loads(files["manifest.json"])
    files["public_key.pem"] = public_pem(key.public_key())
    for told in manifest["files"]:
        content = files[told["name"]]
        told |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files["manifest.json"] = json_bytes(manifest)
    files["manifest.sig"] = key.sign(files["manifest.json"])
    return files


def test_an_untouched_pack_is_right(packed: Packed) -> None:
    code, said = verified(packed.path, key=packed.fingerprint, sha256=packed.sha256)
    exact, whose = said.splitlines()
    assert exact == "Tout est exact : chaque fichier, chaque événement, le journal et la signature."
    assert code == 0
    manifest = json.loads(packed.read("manifest.json"))
    for name in ("pack", "breach", "insurer", "made_at"):
        assert manifest[name] in whose


def test_the_same_files_give_the_same_bytes(packed: Packed, tmp_path: Path) -> None:
    again = repacked(files_of(packed), tmp_path / "again.zip")
    assert again.read_bytes() == packed.path.read_bytes()


def test_it_holds_what_an_inspector_asks_for(packed: Packed) -> None:
    files = files_of(packed)
    (campaign,) = (name.split("-")[1][:-4] for name in files if name.startswith("events/"))
    notice = f"notices/campaign-{campaign}"
    assert {
        "register.csv",
        "register.json",
        "record-33-5.pdf",
        "record-33-5.json",
        "approvals.json",
        "lists.csv",
        "list-problems.csv",
        "purges.csv",
        "erasures.json",
        "trail.jsonl",
        "actors.csv",
        f"{notice}/notice.json",
        f"{notice}/fr.txt",
        f"{notice}/fr.html",
        f"{notice}/fr-sms.txt",
        f"{notice}/fr.pdf",
        "public_key.pem",
        "verify_evidence.py",
        "manifest.json",
        "manifest.sig",
    } <= set(files)
    register = json.loads(files["register.json"])
    (exemption,) = json.loads(files["exemptions.json"])
    assert (exemption["ground"], exemption["justification"]) == ("art_34_3_a", WHY_EXEMPT)
    assert register["exempt_by_ground"] == {"art_34_3_a": 1}
    assert ["exempt_by_ground", "art_34_3_a", "1"] in list(
        csv.reader(io.StringIO(files["register.csv"].decode()))
    )
    people = register["people"]
    assert people["exempt"] == 1
    assert (people["listed"], people["told"], people["unreachable"]) == (9, 5, 3)
    assert files[f"{notice}/fr.pdf"].startswith(b"%PDF-")
    assert files["record-33-5.pdf"].startswith(b"%PDF-")
    assert "cause" in json.loads(files["record-33-5.json"])["missing"]
    (purge,) = csv.DictReader(io.StringIO(files["purges.csv"].decode()))
    assert purge["key_destroyed"].startswith("list/")
    assert purge["key_destroyed_at"]
    (problem,) = csv.DictReader(io.StringIO(files["list-problems.csv"].decode()))
    assert (problem["severity"], problem["cells"]) == ("rejected", "1")
    (erasure,) = json.loads(files["erasures.json"])
    assert (erasure["kind"], erasure["rows"]) == ("problems", {"lines": 1})
    rows = list(csv.DictReader(io.StringIO(files["lists.csv"].decode())))
    assert [len(row["sha256"]) for row in rows] == [64, 64]
    trail = [json.loads(line)["action"] for line in files["trail.jsonl"].splitlines()]
    assert {"campaign.approved", "list.purged", "evidence.asked"} <= set(trail)


def test_nothing_of_it_says_who_was_told(packed: Packed) -> None:
    """Neither as it is written nor, for references, without their dashes."""
    everything = [(name, content) for name, content in files_of(packed).items()]
    for secret in packed.secrets:
        for form in {secret, secret.replace("-", "")}:
            found = [name for name, content in everything if form.encode() in content]
            assert not found, f"something that identifies a person stands in {found}"
    assert len(packed.secrets) > 2 * len(EMAILS)


def test_messages_have_pseudonyms(packed: Packed) -> None:
    files = files_of(packed)
    rows = list(csv.DictReader(io.StringIO(files[events_name(files)].decode())))
    messages = {row["message"] for row in rows} - {""}
    assert {len(message) for message in messages} == {16}
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))


def drop_an_event(files: Files) -> None:
    lines = files[events_name(files)].splitlines(keepends=True)
    files[events_name(files)] = b"".join(lines[:5] + lines[6:])


def drop_an_event_and_renumber(files: Files) -> None:
    head, *lines = files[events_name(files)].splitlines(keepends=True)
    kept = [line.partition(b",")[2] for line in lines[:5] + lines[6:]]
    files[events_name(files)] = head + b"".join(b"%d,%b" % one for one in enumerate(kept, 1))


def cut_the_events(files: Files) -> None:
    lines = files[events_name(files)].splitlines(keepends=True)
    files[events_name(files)] = b"".join(lines[:-2])


def change_an_event(files: Files) -> None:
    name = events_name(files)
    files[name] = files[name].replace(b",bounced,", b",delivered,", 1)


def repeat_an_event(files: Files) -> None:
    lines = files[events_name(files)].splitlines(keepends=True)
    files[events_name(files)] = b"".join([*lines[:5], lines[4], *lines[5:]])


def drop_a_trail_entry(files: Files) -> None:
    lines = files["trail.jsonl"].splitlines(keepends=True)
    files["trail.jsonl"] = b"".join(lines[:2] + lines[3:])


def change_a_trail_entry(files: Files) -> None:
    files["trail.jsonl"] = files["trail.jsonl"].replace(b"campaign.approved", b"campaign.returned")


def cut_the_trail(files: Files) -> None:
    lines = files["trail.jsonl"].splitlines(keepends=True)
    files["trail.jsonl"] = b"".join(lines[:-1])


def change_a_figure(files: Files) -> None:
    files["register.json"] = files["register.json"].replace(b'"told": 5', b'"told": 6')


def remove_a_file(files: Files) -> None:
    del files["purges.csv"]


def add_a_file(files: Files) -> None:
    files["more.txt"] = b"more"


def change_the_manifest(files: Files) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b'"size": ', b'"size":  ', 1)


def remove_the_signature(files: Files) -> None:
    del files["manifest.sig"]


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (drop_an_event, ": événement 5 manquant"),
        (drop_an_event_and_renumber, "événements {fewer} à {fewer} manquent, à la fin"),
        (cut_the_events, "manquent, à la fin"),
        (change_an_event, ": un événement changé, ajouté ou retiré entre le 1e et le"),
        (repeat_an_event, ": événement 4 répété, ajouté ou déplacé, à la place du 5e"),
        (drop_a_trail_entry, "trail.jsonl : entrée 3 du journal manquante, ajoutée ou déplacée"),
        (change_a_trail_entry, "du journal changée"),
        (cut_the_trail, "trail.jsonl : le journal finit à l’entrée"),
        (change_a_figure, "register.json : les personnes ne font pas leur somme"),
        (remove_a_file, "purges.csv : manque"),
        (add_a_file, "more.txt : ajouté, le manifeste ne le connaît pas"),
        (change_the_manifest, "manifest.json : changé après sa signature, ou manifest.sig l’a été"),
        (remove_the_signature, "manifest.sig : manque"),
    ],
)
def test_each_tampering_is_named(
    packed: Packed, tmp_path: Path, tamper: Callable[[Files], None], named: str
) -> None:
    files = files_of(packed)
    events = len(files[events_name(files)].splitlines()) - 1
    tamper(files)
    said = "\n".join(said_of(packed, files, tmp_path))
    assert named.replace("{fewer}", str(events)) in said


def test_a_pack_signed_by_another_key_names_that_key(packed: Packed, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    files = files_of(packed)
    change_an_event(files)
    found = said_of(packed, signed_again(files, key), tmp_path)
    other = fingerprint_of(public_pem(key.public_key()))
    assert f"public_key.pem : ce n’est pas la clé attendue, mais {other}" in found
    assert any("ne sont pas ceux de ses événements" in fault for fault in found)


def test_every_byte_counts(packed: Packed, tmp_path: Path) -> None:
    """Bytes anywhere in the ZIP: contents, its entries, its directory, its end."""
    content = packed.path.read_bytes()
    places = random.Random(7).sample(range(len(content)), 25)
    places += [*range(0, 40, 7), *range(len(content) - 60, len(content), 9)]
    changed = tmp_path / "changed.zip"
    for place in places:
        other = bytes([content[place] ^ 0x10])
        changed.write_bytes(content[:place] + other + content[place + 1 :])
        found = list(check(changed, key=packed.fingerprint, sha256=packed.sha256))
        assert len(found) > 1, f"byte {place}: only the hash of the whole told"
    for added in (content + b"x", b"x" + content):
        changed.write_bytes(added)
        assert list(check(changed, key=packed.fingerprint)), "a byte was added"


@pytest.mark.parametrize("name", ["register.json", "manifest.json", "manifest.sig"])
def test_bytes_behind_the_end_of_a_packed_file_are_found(
    packed: Packed, tmp_path: Path, name: str
) -> None:
    """No program unpacks them, and the ZIP's directory counts them as the file's."""
    content, other, infos = packed.path.read_bytes(), b"", []
    with ZipFile(packed.path) as pack:
        for info in pack.infolist():
            start = info.header_offset + len(local_header(info))
            raw = content[start : start + info.compress_size]
            raw += b"hidden" * 1000 if info.filename == name else b""
            info.compress_size, info.header_offset = len(raw), len(other)
            other += local_header(info) + raw
            infos.append(info)
    directory = b"".join(central_header(info) for info in infos)
    changed = tmp_path / "changed.zip"
    changed.write_bytes(
        other + directory + end_of_directory(len(infos), len(other), len(directory))
    )
    (fault,) = check(changed, key=packed.fingerprint)
    assert fault == f"{name} : des octets sont cachés après son contenu, dans le ZIP"


def test_a_stream_that_does_not_end_is_found(packed: Packed, tmp_path: Path) -> None:
    content = bytearray(packed.path.read_bytes())
    with ZipFile(packed.path) as pack:
        info = pack.getinfo("manifest.sig")
    content[info.header_offset + len(local_header(info))] ^= 1  # « the last block »
    changed = tmp_path / "changed.zip"
    changed.write_bytes(content)
    assert list(check(changed, key=packed.fingerprint))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["files"][0].update(size=-5),
        lambda manifest: manifest["events"][0].update(campaign=float("inf")),
        lambda manifest: manifest["trail"].update(first="1"),
        lambda manifest: manifest["files"][0].update(name="\ud800"),
        lambda manifest: manifest["files"][0].update(name="x\nTout est exact\x1b[2K"),
    ],
)
def test_a_forged_manifest_neither_stops_the_check_nor_speaks_in_its_name(
    packed: Packed, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    files = files_of(packed)
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    code, said = verified(repacked(files, tmp_path / "pack.zip"), key=packed.fingerprint)
    assert (code, "manifest.json : changé après sa signature" in said) == (1, True)
    assert all(line.startswith("FAUX  ") for line in said.splitlines()[:-1])
    assert "\x1b" not in said


@pytest.mark.parametrize("key", ["", "zz", "/nowhere.pem"])
def test_without_a_key_from_elsewhere_nothing_is_checked(packed: Packed, key: str) -> None:
    code, said = verified(packed.path, key=key)
    assert (code, said.startswith("IMPOSSIBLE  --key")) == (2, True)


def test_a_file_that_is_no_pack_is_no_evidence(packed: Packed, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(b"PK")
    assert verified(other, key=packed.fingerprint)[0] == 1
    assert verified(tmp_path / "missing.zip", key=packed.fingerprint)[0] == 2
