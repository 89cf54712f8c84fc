"""What this app announces; the apps above listen."""

from django.dispatch import Signal

list_accepted = Signal()
"""A list became visible. Sent by the worker with `affected_list`, inside the transaction that
makes it so: a receiver that fails undoes it, and the sweep tries again."""

fingerprints_wrapped = Signal()
"""The lists of an insurer in a breach carry a newer key version: whoever keeps fingerprints of
their members wraps them too. Sent by the worker with `breach_id`, `insurer_id` and `members`
(MemberFingerprints of the newest version), outside any transaction; may be sent again after a
kill. Until every receiver returns, comparisons of this insurer's fingerprints wait."""

purge_asked = Signal()
"""Somebody wants to purge a list. Sent with `affected_list` and `kind`, inside the transaction;
a receiver that still needs it raises PurgeRefusedError (insurers/lists/purging.py)."""
