"""Check a pack of evidence without trusting the portal that made it.

    python3 verify_evidence.py PACK.zip --key FINGERPRINT

    python3 verify_evidence.py PACK.zip --key FINGERPRINT --head TRAIL.heads

FINGERPRINT is the SHA-256 of the portal's public key, obtained elsewhere than from the pack (or a
PEM file of that key). TRAIL.heads is a file of the trail's heads that left earlier, by mail for
example: the pack's trail has to hold the entry that it names. Needs Python 3.11 and `cryptography`,
no network. Each line that begins with FAUX names what is wrong. Ends with 0 where everything is
right, 1 where something was changed, 2 where the check could not be made. Memory does not grow
with the pack.
"""

from __future__ import annotations

import argparse
import csv
import errno
import hashlib
import json
import re
import struct
import sys
import zipfile
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

FORMAT, HEADS = "breachportal-evidence-1", "breachportal-trail-heads-1"
MANIFEST, SIGNATURE, KEY, REGISTER = (
    "manifest.json",
    "manifest.sig",
    "public_key.pem",
    "register.json",
)
LONGEST_LINE = 1 << 20
MOST_OF_MANIFEST = 1 << 28
PIECE = 1 << 16
# How Python's zipfile writes the entries of a pack: without a date, ordinary files, deflated.
LOCAL = struct.Struct("<4sHHHHHIIIHH")
LOCAL_EXTRA = struct.Struct("<HHQQ")
CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
ZIP_45, ZIP_16, ZIP_32, LIMIT_32 = 45, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF
PLAIN_FILE = 0o100644 << 16
PACKED_PIECE = 1 << 12  # unpacked it is some 4 MB at most
NOT_AS_SHAPED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class CannotCheck(Exception):  # noqa: N818 (says what it is)
    """The check could not be made at all."""


def main(arguments: list[str] | None = None) -> int:
    """Check, say what was found, return the exit code."""
    parser = argparse.ArgumentParser(description="Vérifie un dossier de preuves.")
    parser.add_argument("pack", type=Path, help="le fichier ZIP")
    parser.add_argument(
        "--key", required=True, help="empreinte de la clé publique (64 chiffres), ou son fichier"
    )
    parser.add_argument("--sha256", help="empreinte du ZIP, telle que la page du portail la montre")
    parser.add_argument(
        "--head", type=Path, action="append", default=[], help="un fichier de têtes du journal"
    )
    parser.add_argument(
        "--head-key", action="append", default=[], help="empreinte d’une autre clé des têtes"
    )
    asked = parser.parse_args(arguments)
    faults, rewritten, notes = 0, 0, []
    try:
        for fault in check(asked.pack, key=asked.key, sha256=asked.sha256):
            faults += 1
            say(f"FAUX  {fault}")
        for is_right, said in check_heads(
            asked.pack, asked.head, keys=[asked.key, *asked.head_key]
        ):
            if is_right:
                notes.append(said)
            else:
                rewritten += 1
                say(f"FAUX  {said}")
    except CannotCheck as error:
        say(f"IMPOSSIBLE  {error}")
        return 2
    if faults:
        say(f"{faults} constat(s) : ce dossier n’est pas celui que le portail a signé.")
        return 1
    if rewritten:
        say(f"{rewritten} constat(s) : le dossier est signé, mais pas avec le journal des têtes.")
        return 1
    say("Tout est exact : chaque fichier, chaque événement, le journal et la signature.")
    say(whose(asked.pack))
    for note in notes:
        say(note)
    return 0


def say(line: str) -> None:
    """Write a line to the standard output; a name in it forges neither lines nor colours."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
    sys.stdout.buffer.write(shown.encode() + b"\n")


def whose(path: Path) -> str:
    """Return of what a pack is and when it was made: an exact one may be another than meant."""
    with zipfile.ZipFile(path) as pack:
        told = json.loads(pack.read(MANIFEST))
    names = ("pack", "breach", "insurer", "made_at")
    pack_id, breach, insurer, made_at = (told.get(name, "?") for name in names)
    return f"C’est le dossier {pack_id} : violation {breach}, organisme {insurer}, fait {made_at}."


def check(path: Path, *, key: str, sha256: str | None = None) -> Iterator[str]:
    """Yield whatever is wrong with a pack. Raises CannotCheck."""
    fingerprint = expected_fingerprint(key)
    try:
        with path.open("rb") as file:
            if sha256 and hashlib.file_digest(file, "sha256").hexdigest() != sha256.lower():
                yield "le fichier ZIP : son empreinte n’est pas celle qui est attendue"
            with zipfile.ZipFile(file) as pack:
                yield from check_layout(pack, file)
                yield from check_content(pack, file, fingerprint)
    except OSError as error:
        if error.errno != errno.EINVAL:  # The ZIP says that a file begins before it does.
            raise CannotCheck(f"{path.name} : {error.strerror or 'illisible'}") from error
        yield "le fichier ZIP est endommagé"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, struct.error):
        yield "le fichier ZIP est endommagé"


def expected_fingerprint(key: str) -> str:
    """Return the fingerprint that was given, or that of the PEM file that was. Raises."""
    bare = re.sub(r"[\s:]", "", key).lower()
    if re.fullmatch(r"[0-9a-f]{64}", bare):
        return bare
    try:
        return fingerprint_of(Path(key).read_bytes())
    except (OSError, ValueError) as error:
        raise CannotCheck("--key n’est ni une empreinte de 64 chiffres, ni une clé PEM") from error


def fingerprint_of(pem: bytes) -> str:
    """Return the SHA-256 of a public key's DER form. Raises ValueError."""
    found = load_pem_public_key(pem)
    return hashlib.sha256(
        found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def check_layout(pack: zipfile.ZipFile, file: Any) -> Iterator[str]:
    """Yield what stands in the ZIP beside the content of its files: every byte is determined."""
    at, directory = 0, b""
    for info in sorted(pack.infolist(), key=lambda info: info.header_offset):
        if info.header_offset != at:
            yield f"le fichier ZIP : des octets qui ne sont d’aucun fichier avant {info.filename}"
        head = local_header(info)
        file.seek(info.header_offset)
        if file.read(len(head)) != head:
            yield f"{info.filename} : son entête dans le ZIP a été changé"
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise zipfile.BadZipFile(info.filename)
        directory += central_header(info)
        at = info.header_offset + len(head) + info.compress_size
    directory += end_of_directory(len(pack.infolist()), at, len(directory))
    file.seek(at)
    if file.read(len(directory) + 1) != directory:
        yield "le fichier ZIP : son répertoire, à la fin, a été changé"


def local_header(info: zipfile.ZipInfo) -> bytes:
    """Return what has to stand before a file of a pack: sizes in 64 bits, no date."""
    name = info.filename.encode()
    extra = LOCAL_EXTRA.pack(1, 16, info.file_size, info.compress_size)
    sizes = (ZIP_32, ZIP_32, len(name), len(extra))
    flags = _flags(info)
    return LOCAL.pack(b"PK\3\4", ZIP_45, flags, 8, 0, 33, info.CRC, *sizes) + name + extra


def central_header(info: zipfile.ZipInfo) -> bytes:
    """Return what has to stand in the directory for a file of a pack."""
    name, large = info.filename.encode(), []
    sizes = [info.compress_size, info.file_size]
    if max(sizes) > LIMIT_32:
        large, sizes = [info.file_size, info.compress_size], [ZIP_32, ZIP_32]
    offset = info.header_offset
    if offset > LIMIT_32:
        large, offset = [*large, offset], ZIP_32
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    head = (b"PK\1\2", ZIP_45, 3, ZIP_45, 0, _flags(info), 8, 0, 33, info.CRC, *sizes)
    lengths = (len(name), len(extra), 0, 0, 0, PLAIN_FILE, offset)
    return CENTRAL.pack(*head, *lengths) + name + extra


def end_of_directory(count: int, start: int, length: int) -> bytes:
    """Return what has to stand at the end of a pack; in 64 bits too where it is large."""
    large = b""
    if max(start, length) > LIMIT_32 or count > ZIP_16:
        large = END_64.pack(b"PK\6\6", 44, ZIP_45, ZIP_45, 0, 0, count, count, length, start)
        large += struct.pack("<4sLQL", b"PK\6\7", 0, start + length, 1)
    count = min(count, ZIP_16)
    end = (0, 0, count, count, min(length, ZIP_32), min(start, ZIP_32), 0)
    return large + END.pack(b"PK\5\6", *end)


def _flags(info: zipfile.ZipInfo) -> int:
    return 0 if info.filename.isascii() else 0x800


def check_content(pack: zipfile.ZipFile, file: Any, fingerprint: str) -> Iterator[str]:
    """Yield what differs from the signed manifest."""
    names = pack.namelist()
    yield from (f"{name} : présent {n} fois" for name, n in Counter(names).items() if n > 1)
    yield from (f"{name} : manque" for name in (MANIFEST, SIGNATURE, KEY) if name not in names)
    content = small(pack, MANIFEST, MOST_OF_MANIFEST)
    yield from check_signature(pack, content, fingerprint)
    try:
        manifest = json.loads(content)
        assert_shape(manifest)
    except NOT_AS_SHAPED:
        yield f"{MANIFEST} : illisible"
        return
    listed = {told["name"]: told for told in manifest["files"]}
    yield from (f"{name} : manque" for name in sorted(set(listed) - set(names) - {KEY}))
    for name in sorted(set(names) - set(listed) - {MANIFEST, SIGNATURE}):
        yield f"{name} : ajouté, le manifeste ne le connaît pas"
    for name in sorted({told["file"] for told in manifest["events"]} - set(listed)):
        yield f"{name} : le manifeste en compte les événements et ne le liste pas"
    sums: dict[int, Sums] = {told["campaign"]: Sums() for told in manifest["events"]}
    for name in listed:
        if name in names:
            yield from (
                f"{name} : {fault}" for fault in check_file(pack, listed[name], manifest, sums)
            )
    most = {name: told["size"] for name, told in listed.items()}
    most |= {MANIFEST: MOST_OF_MANIFEST, SIGNATURE: PIECE}
    for name in (name for name in names if name in most):
        if not ends_where_it_says(pack.getinfo(name), file, most=most[name]):
            yield f"{name} : des octets sont cachés après son contenu, dans le ZIP"
    yield from check_register(small(pack, REGISTER, MOST_OF_MANIFEST), sums)


def check_file(
    pack: zipfile.ZipFile, told: dict[str, Any], manifest: dict[str, Any], sums: dict[int, Sums]
) -> Iterator[str]:
    """Yield what is wrong with one file; its events are added to `sums`."""
    events = {one["file"]: one for one in manifest["events"]}
    found: list[str] = []
    try:
        with pack.open(told["name"]) as source:
            file = Hashed(source, most=told["size"])
            if told["name"] in events:
                counted = events[told["name"]]
                found += check_events(file, counted, sums[counted["campaign"]])
            elif told["name"] == manifest["trail"]["file"]:
                found += check_trail(file, manifest["trail"])
            file.finish()
    except (zipfile.BadZipFile, zlib.error, EOFError):
        yield "endommagé"
        return
    if (file.size, file.sha256) != (told["size"], told["sha256"]):
        more = "plus" if file.size > told["size"] else str(file.size)
        yield f"changé ({more} octets, le manifeste en compte {told['size']})"
    yield from found


def ends_where_it_says(info: zipfile.ZipInfo, file: Any, *, most: int) -> bool:
    """Whether a file's packed bytes are one stream to the last: nobody unpacks what follows it.

    True too of what is damaged or unpacks to more than `most`: that is named elsewhere.
    """
    stream, left, size = zlib.decompressobj(-zlib.MAX_WBITS), info.compress_size, 0
    file.seek(info.header_offset + len(local_header(info)))
    try:
        while left and not stream.eof and size <= most:
            piece = file.read(min(PACKED_PIECE, left))
            left = left - len(piece) if piece else 0
            size += len(stream.decompress(piece))
    except zlib.error:
        return True
    return size > most or (stream.eof and not left and not stream.unused_data)


def assert_shape(manifest: Any) -> None:
    """Raise one of NOT_AS_SHAPED where what a manifest has to say is not there."""
    if manifest["format"] != FORMAT:
        raise ValueError(manifest["format"])
    for told in manifest["files"]:
        _assert_has(told, texts=("name", "sha256"), counts=("size",))
    for told in manifest["events"]:
        _assert_has(told, texts=("file",), counts=("campaign", "events", "block"))
        if told["block"] < 1 or not isinstance(told["blocks"], list):
            raise ValueError
    texts = ("file", "scope", "before", "head")
    _assert_has(manifest["trail"], texts=texts, counts=("first", "entries"))


def _assert_has(told: Any, *, texts: tuple[str, ...], counts: tuple[str, ...]) -> None:
    if not all(isinstance(told[name], str) for name in texts):
        raise TypeError
    if not all(type(told[name]) is int and told[name] >= 0 for name in counts):
        raise TypeError


def check_signature(pack: zipfile.ZipFile, manifest: bytes, fingerprint: str) -> Iterator[str]:
    """Yield what is wrong with the signature of the manifest, and with the key."""
    if KEY not in pack.namelist() or SIGNATURE not in pack.namelist():
        return
    pem, signature = small(pack, KEY, PIECE), small(pack, SIGNATURE, PIECE)
    try:
        key = load_pem_public_key(pem)
        found = fingerprint_of(pem)
    except ValueError:
        yield f"{KEY} : ce n’est pas une clé"
        return
    if found != fingerprint or not isinstance(key, Ed25519PublicKey):
        yield f"{KEY} : ce n’est pas la clé attendue, mais {found}"
        return
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        yield f"{MANIFEST} : changé après sa signature, ou {SIGNATURE} l’a été"


def small(pack: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a file that has to be small; empty where there is none, or it is damaged."""
    if name not in pack.namelist():
        return b""
    try:
        with pack.open(name) as file:
            return file.read(most)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return b""


class Hashed:
    """A file that is hashed as its lines are read; it ends soon after the size it should have."""

    def __init__(self, source: Any, *, most: int) -> None:
        self._source = source
        self._left = most + 1
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """The hash of what was read."""
        return self._digest.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """Yield lines with their ends; a line of over a megabyte comes in parts."""
        while line := self._source.readline(min(LONGEST_LINE, self._left)):
            self._took(line)
            yield line

    def finish(self) -> None:
        """Read what is left."""
        while self._left and (piece := self._source.read(min(PIECE, self._left))):
            self._took(piece)

    def _took(self, content: bytes) -> None:
        self._digest.update(content)
        self.size += len(content)
        self._left -= len(content)


class Sums:
    """What stands in each state after a campaign's events."""

    def __init__(self) -> None:
        self.people: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()

    def add(self, row: list[str]) -> None:
        """Take people and messages out of the state they leave, into the one they enter."""
        left, entered, people, messages = row[4], row[6], int(row[8]), int(row[9])
        self.people[entered] += people
        self.messages[entered] += messages
        if left:
            self.people[left] -= people
            self.messages[left] -= messages


def check_events(file: Hashed, told: dict[str, Any], sums: Sums) -> Iterator[str]:
    """Yield the first event that is missing, added, moved or changed, as exactly as is known."""
    block, blocks = told["block"], told["blocks"]
    digest, seen, is_named = hashlib.sha256(), 0, False
    lines = file.lines()
    next(lines, b"")  # the names of the columns
    for line in lines:
        seen += 1
        digest.update(line)
        try:
            row = next(csv.reader([line.decode()]))
            rank = int(row[0])
            sums.add(row)
        except (ValueError, IndexError, StopIteration, csv.Error):
            rank = -1
        if not is_named and rank != seen:
            is_named = True
            yield _misplaced(rank, seen)
        if seen % block == 0:
            if not is_named and _is_other(digest, blocks, seen // block - 1):
                is_named = True
                yield _changed(seen - block + 1, seen)
            digest = hashlib.sha256()
    if not is_named and seen < told["events"]:
        yield f"les événements {seen + 1} à {told['events']} manquent, à la fin"
    elif not is_named and seen > told["events"]:
        yield f"des événements sont ajoutés après le {told['events']}e"
    elif not is_named and seen % block and _is_other(digest, blocks, seen // block):
        yield _changed(seen - seen % block + 1, seen)
    if seen != told["events"]:
        yield f"{seen} événements, le manifeste en compte {told['events']}"


def _misplaced(rank: int, expected: int) -> str:
    if rank > expected:
        last = f" à {rank - 1}" if rank > expected + 1 else ""
        return f"événement {expected}{last} manquant"
    if rank > 0:
        return f"événement {rank} répété, ajouté ou déplacé, à la place du {expected}e"
    return f"l’événement {expected} est illisible"


def _is_other(digest: Any, blocks: list[Any], number: int) -> bool:
    return number >= len(blocks) or bool(digest.hexdigest() != blocks[number])


def _changed(first: int, last: int) -> str:
    return f"un événement changé, ajouté ou retiré entre le {first}e et le {last}e"


def check_trail(file: Hashed, told: dict[str, Any]) -> Iterator[str]:
    """Yield the first bad entry of the chain; compare its end with the manifest's head."""
    before, seen = told["before"], told["first"] - 1
    for line in file.lines():
        seen += 1
        try:
            entry = json.loads(line)
            is_next = (entry["sequence"], entry["previous_hash"]) == (seen, before)
            before, is_whole = entry["hash"], entry["hash"] == entry_hash(entry)
            is_own = entry["scope"] == told["scope"]
        except NOT_AS_SHAPED:
            is_next = is_whole = is_own = False
        if not (is_next and is_whole and is_own):
            what = "changée" if is_next else "manquante, ajoutée ou déplacée"
            yield f"entrée {seen} du journal {what}"
            return
    if seen != told["entries"] or before != told["head"]:
        yield f"le journal finit à l’entrée {seen}, le manifeste dit {told['entries']}"


def check_heads(path: Path, heads: list[Path], *, keys: list[str]) -> Iterator[tuple[bool, str]]:
    """Yield what each file of heads says of a pack's trail, and whether that is right.

    Right is also what cannot be compared, with why. Raises CannotCheck.
    """
    fingerprints = {expected_fingerprint(key) for key in keys}
    try:
        with zipfile.ZipFile(path) as pack:
            for head in heads:
                yield check_head(pack, head, fingerprints)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, *NOT_AS_SHAPED):
        yield False, "le journal du dossier est illisible : rien ne se compare aux têtes"


def check_head(pack: zipfile.ZipFile, path: Path, fingerprints: set[str]) -> tuple[bool, str]:
    """Return whether a pack's trail has the entry that a file of heads names, and what is said."""
    manifest = json.loads(small(pack, MANIFEST, MOST_OF_MANIFEST))
    assert_shape(manifest)
    trail = manifest["trail"]
    try:
        first, *others = signed_lines(path.read_bytes(), fingerprints)
    except OSError as error:
        raise CannotCheck(f"{path.name} : {error.strerror or 'illisible'}") from error
    except ValueError as error:
        return False, f"{path.name} : {error}"
    said = f"{path.name} : tête n° {first['number']} du {first['signed_at']}"
    head = next((told for told in others if told["scope"] == trail["scope"]), None)
    if head is None:
        return True, f"{said}, qui ne dit rien de cet organisme"
    sequence = head["sequence"]
    if sequence < trail["first"]:
        return True, f"{said} : l’entrée {sequence} a été ôtée depuis, son temps étant passé"
    if sequence > trail["entries"]:
        is_older = manifest["made_at"] < first["signed_at"]
        why = "le dossier a été fait avant" if is_older else "le journal a été raccourci"
        return is_older, f"{said} : le journal finit avant l’entrée {sequence}, {why}"
    if hash_in(pack, trail, sequence) != head["hash"]:
        return False, f"{said} : l’entrée {sequence} du journal est une autre, il a été réécrit"
    return True, f"{said} : exacte, le journal est le même jusqu’à l’entrée {sequence}"


def signed_lines(content: bytes, fingerprints: set[str]) -> list[dict[str, Any]]:
    """Return the lines of a file of heads without its signature. Raises ValueError."""
    *lines, last = content.splitlines(keepends=True) or [b""]
    try:
        seal = json.loads(last)
        key = Ed25519PublicKey.from_public_bytes(b64decode(seal["public_key"], validate=True))
        signature = b64decode(seal["signature"], validate=True)
    except NOT_AS_SHAPED as error:
        raise ValueError("ce n’est pas un fichier de têtes entier") from error
    found = fingerprint_of(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    if found not in fingerprints:
        raise ValueError(f"il est signé par une autre clé que celle attendue, {found}")
    try:
        key.verify(signature, b"".join(lines))
    except InvalidSignature as error:
        raise ValueError("il a été changé après sa signature") from error
    told = [json.loads(line) for line in lines]
    if told[0]["format"] != HEADS:
        raise ValueError("il est signé, mais ce n’est pas un fichier de têtes")
    return told


def hash_in(pack: zipfile.ZipFile, trail: dict[str, Any], sequence: int) -> str:
    """Return the hash of an entry of a pack's trail."""
    with pack.open(trail["file"]) as source:
        lines = Hashed(source, most=pack.getinfo(trail["file"]).file_size).lines()
        for rank, line in enumerate(lines, trail["first"]):
            if rank == sequence:
                return str(json.loads(line)["hash"])
    return ""


def entry_hash(entry: dict[str, Any]) -> str:
    """Recompute an entry's SHA-256: each field after its length in 4 bytes, the highest first."""
    digest = hashlib.sha256()
    names = ("scope", "sequence", "at", "actor", "action", "subject", "outcome", "detail")
    fields = (str(entry[name]).encode() for name in names)
    for part in (bytes.fromhex(entry["previous_hash"]), *fields):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


def check_register(content: bytes, sums: dict[int, Sums]) -> Iterator[str]:
    """Yield the figures that do not follow from the events, and the equation that does not hold."""
    try:
        register = json.loads(content)
        people = dict(register["people"])
        if people.pop("listed") != sum(people.values()):
            yield f"{REGISTER} : les personnes ne font pas leur somme"
        for told in register["campaigns"]:
            if not told["is_built"]:
                continue
            found = sums.get(told["campaign"], Sums())
            for what, counted in (("people", found.people), ("messages", found.messages)):
                stands = {state: number for state, number in counted.items() if number}
                if told[f"{what}_by_state"] != stands:
                    yield (
                        f"{REGISTER} : les chiffres de la campagne {told['campaign']} ne sont pas"
                        f" ceux de ses événements ({what})"
                    )
    except NOT_AS_SHAPED:
        yield f"{REGISTER} : illisible"


if __name__ == "__main__":
    sys.exit(main())
