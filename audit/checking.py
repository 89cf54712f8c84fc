"""Every chain of the trail: by itself, and beside signed files of its heads."""

from collections.abc import Collection, Iterator

from audit.expiry import trusted
from audit.heads import Comparison, Head
from audit.models import TrailCheckpoint
from audit.trail import Fault, chain_start, scopes, verify


def faults_of_trail(
    comparison: Comparison | None = None, *, fingerprints: Collection[str] = ()
) -> dict[str, Fault]:
    """Return the first fault of each chain that has one, by scope.

    With `comparison`, of files signed by keys with these fingerprints, also what the database
    alone cannot tell.
    """
    faults = {scope: fault for scope in scopes() if (fault := verify(scope=scope))}
    if comparison is not None:
        for fault in (*_dropped_unsigned(fingerprints), *comparison.faults()):
            faults[fault.scope] = _earlier(faults.get(fault.scope), fault)
    return faults


def signed_away(fingerprints: Collection[str]) -> dict[str, Head]:
    """Return the last entry of each chain that was dropped and that these keys signed for."""
    dropped = TrailCheckpoint.objects.exclude(dropped_at=None).order_by("sequence")
    signed = (trusted(checkpoint, fingerprints=fingerprints) for checkpoint in dropped)
    return {head.scope: head for head in signed if head is not None}


def _dropped_unsigned(fingerprints: Collection[str]) -> Iterator[Fault]:
    """Yield the chains that begin after an entry for which no such key signed a checkpoint."""
    signed = signed_away(fingerprints)
    for scope in scopes():
        first, _before = chain_start(scope)
        last = signed[scope].sequence if scope in signed else 0
        if first - 1 > last:
            reason = f"dropped up to entry {first - 1} without a signed checkpoint"
            yield Fault(scope, last + 1, reason)


def _earlier(one: Fault | None, other: Fault) -> Fault:
    return one if one is not None and one.sequence <= other.sequence else other
