"""The heads of the trail's chains as a signed file, and a trail compared with such files.

Whoever holds every right on the database can rewrite a whole chain and its head. A file that left
before then says what the head was. It is text, a JSON object a line: what the file is, each
scope's head, and on the last line an Ed25519 signature over all lines before it.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from audit.trail import Fault, verify

FORMAT = "breachportal-trail-heads-1"
EXPIRY = "breachportal-trail-expiry-1"  # Of checkpoints: no head that left passes for one.

_HEADS = """
SELECT head.scope, head.sequence, head.hash,
    CASE WHEN entry.at BETWEEN '0001-01-02' AND '9999-12-31' THEN entry.at END
FROM audit_trailhead AS head
LEFT JOIN audit_auditentry AS entry USING (scope, sequence)
ORDER BY head.scope
"""
_ENTRIES = """
SELECT wanted.scope, entry.hash, (
    SELECT max(sequence) FROM audit_auditentry AS last WHERE last.scope = wanted.scope
)
FROM unnest(%s::text[], %s::bigint[]) AS wanted (scope, sequence)
LEFT JOIN audit_auditentry AS entry USING (scope, sequence)
"""


class UntrustedHeadsError(Exception):
    """A file of heads is damaged, or not signed by the key that it should be; says which."""


@dataclass(frozen=True)
class Head:
    """The last entry of a scope's chain; `at` is None where that entry is gone already."""

    scope: str
    sequence: int
    hash: bytes
    at: datetime | None


@dataclass(frozen=True)
class SignedHeads:
    """What a file of heads says; `previous_sha256` is of the file that left before it."""

    number: int
    signed_at: str
    previous_sha256: str
    heads: tuple[Head, ...]


def read_heads() -> list[Head]:
    """Return the head of every chain, as they stand together (not for the web role)."""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS)
        return [Head(scope, number, bytes(hash_), at) for scope, number, hash_, at in cursor]


def key_fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key's DER form, in hexadecimal: what people compare."""
    content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(content).hexdigest()


def signed_heads(
    heads: Iterable[Head],
    *,
    portal: str,
    number: int,
    previous_sha256: str,
    key: Ed25519PrivateKey,
    now: datetime,
    format_: str = FORMAT,
) -> bytes:
    """Return the file of these heads, signed."""
    lines: list[Mapping[str, Any]] = [
        {
            "format": format_,
            "portal": portal,
            "number": number,
            "signed_at": _moment(now),
            "previous_sha256": previous_sha256,
        }
    ]
    for head in heads:
        at = _moment(head.at) if head.at else None
        told = {"scope": head.scope, "sequence": head.sequence, "hash": head.hash.hex(), "at": at}
        lines.append(told)
    body = b"".join(_line(line) for line in lines)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return body + _line({"public_key": _base64(public), "signature": _base64(key.sign(body))})


def read_signed(
    content: bytes, *, fingerprints: Collection[str], format_: str = FORMAT
) -> SignedHeads:
    """Return what a file says, signed by a key with one of these fingerprints.

    Raises UntrustedHeadsError.
    """
    body, last = _split(content)
    try:
        seal = json.loads(last)
        key = Ed25519PublicKey.from_public_bytes(b64decode(seal["public_key"], validate=True))
        signature = b64decode(seal["signature"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise UntrustedHeadsError("its last line is no signature") from error
    if key_fingerprint(key) not in fingerprints:
        raise UntrustedHeadsError("it is signed by another key than the one expected")
    try:
        key.verify(signature, body)
    except InvalidSignature as error:
        raise UntrustedHeadsError("it was changed after it was signed") from error
    first, *others = (json.loads(line) for line in body.splitlines())
    if first["format"] != format_:
        raise UntrustedHeadsError("it is signed, and no file of heads")
    heads = tuple(
        Head(
            told["scope"],
            told["sequence"],
            bytes.fromhex(told["hash"]),
            datetime.fromisoformat(told["at"]) if told["at"] else None,
        )
        for told in others
    )
    return SignedHeads(first["number"], first["signed_at"], first["previous_sha256"], heads)


@dataclass
class _Seen:
    """How far a scope's chain agrees with the files read so far, and the first that it does not."""

    agreed: int = 0
    bad: Head | None = None
    signed_at: str = ""
    last: int = 0
    is_there: bool = False
    is_dropped: bool = False


@dataclass
class Comparison:
    """A trail beside files of heads, the oldest first; a few figures for each scope are kept.

    `dropped` says up to which entry each chain was dropped, by checkpoints that were signed.
    """

    dropped: Mapping[str, Head] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def add(self, signed: SignedHeads) -> None:
        """Look the heads of one more file up in the trail."""
        open_heads = {}
        for head in signed.heads:
            seen = self._seen.setdefault(head.scope, self._unseen(head.scope))
            dropped = self.dropped.get(head.scope)
            if seen.bad is not None:
                continue
            if dropped is None or head.sequence > dropped.sequence:
                open_heads[head.scope] = head
            elif _belies(head, dropped):
                seen.bad, seen.signed_at, seen.is_dropped = head, signed.signed_at, True
        with connection.cursor() as cursor:
            numbers = [head.sequence for head in open_heads.values()]
            cursor.execute(_ENTRIES, [list(open_heads), numbers])
            for scope, found, last in cursor.fetchall():
                head, seen = open_heads[scope], self._seen[scope]
                if found is not None and bytes(found) == head.hash:
                    seen.agreed = max(seen.agreed, head.sequence)
                else:
                    seen.bad, seen.signed_at = head, signed.signed_at
                    seen.is_there, seen.last = found is not None, last or 0

    def _unseen(self, scope: str) -> _Seen:
        dropped = self.dropped.get(scope)
        return _Seen(agreed=dropped.sequence if dropped else 0)

    def faults(self) -> Iterator[Fault]:
        """Yield, for each scope that differs, the first bad entry as far as it can be known."""
        for scope, seen in sorted(self._seen.items()):
            if seen.bad is not None:
                yield _fault(scope, seen, seen.bad)


def _belies(head: Head, dropped: Head) -> bool:
    """Whether what was dropped is not what stood there: another entry, or a younger one."""
    if head.sequence == dropped.sequence and head.hash != dropped.hash:
        return True
    return head.at is not None and dropped.at is not None and head.at > dropped.at


def _fault(scope: str, seen: _Seen, bad: Head) -> Fault:
    """Name the first bad entry: where the chain itself breaks, else between two heads."""
    said = f"the head signed at {seen.signed_at} is entry {bad.sequence}"
    if seen.is_dropped:
        reason = f"rewritten, up to here or before, and then dropped as old; {said}"
        return Fault(scope, bad.sequence, reason)
    first = seen.agreed + 1
    if seen.last == 0:
        return Fault(scope, 1, f"the whole chain is gone; {said}")
    broken = verify(scope=scope)
    if broken is not None and first <= broken.sequence <= bad.sequence:
        return Fault(scope, broken.sequence, f"{broken.reason}; {said}")
    if not seen.is_there and seen.last <= seen.agreed:
        return Fault(scope, seen.last + 1, f"the end of the chain was cut, with its head; {said}")
    between = "" if first == bad.sequence else f", or a later one up to entry {bad.sequence}"
    if not seen.is_there:
        between += f", of which those after {seen.last} are gone"
    return Fault(scope, first, f"rewritten with its hashes, here{between}; {said}")


def _split(content: bytes) -> tuple[bytes, bytes]:
    lines = content.splitlines(keepends=True)
    if not lines or not content.endswith(b"\n"):
        raise UntrustedHeadsError("it is not whole")
    return b"".join(lines[:-1]), lines[-1]


def _line(told: Mapping[str, Any]) -> bytes:
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _base64(content: bytes) -> str:
    return b64encode(content).decode()


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
