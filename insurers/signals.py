"""What this app announces; the apps above listen."""

from django.dispatch import Signal

list_accepted = Signal()
"""A list became visible. Sent by the worker with `affected_list`, inside the transaction that
makes it so: a receiver that fails undoes it, and the sweep tries again."""

listings_changed = Signal()
"""Marks were written on people of a `breach_id` and `insurer_id`: some are listed elsewhere, or
no longer. `gone` are the lists that left whole (their ids): whoever counted there counts on
another list. Sent by the worker inside the transaction that writes the marks, which holds the
insurer's turn."""

leaving_foreseen = Signal()
"""Before a list is decided: the temporary table `leaving` (list_id, ordinal) names the people
whom its acceptance would end. Sent by the worker with `report`, whose counts of messages and
people told receivers complete."""

fingerprints_wrapped = Signal()
"""The lists of an insurer in a breach carry a newer key version: whoever keeps fingerprints of
their members wraps them too. Sent by the worker with `breach_id`, `insurer_id` and `members`
(MemberFingerprints of the newest version), outside any transaction; may be sent again after a
kill. Until every receiver returns, comparisons of this insurer's fingerprints wait."""

purge_asked = Signal()
"""Somebody wants to purge a list. Sent with `affected_list` and `kind`, inside the transaction;
a receiver that still needs it raises PurgeRefusedError (insurers/lists/purging.py)."""

contacts_going = Signal()
"""The contacts of a list are about to be erased; its members stay. Sent by the worker with
`affected_list`, inside the transaction that does so: what is needed of the addresses
afterwards is noted in `AffectedMember.contact_flags` now."""

contacts_gone = Signal()
"""The contacts of a list are erased: whoever keeps fingerprints of their addresses erases them.
Sent by the worker with `affected_list`, outside any transaction; sent again after a kill."""

address_key_destroyed = Signal()
"""No contact of an insurer is left, and its address key is destroyed: fingerprints of its
people's addresses mean nothing any more. Sent by the worker with `insurer_id`, outside any
transaction; may be sent again after a kill."""

keys_expected = Signal()
"""Keys of the store are about to be looked at (`insurers/lists/key_check.py`): a receiver returns
the names, with their proofs, of those that its own rows need."""

sealed_columns = Signal()
"""The sealing pair is being replaced (`insurers/lists/resealing.py`): a receiver returns the
SealedColumns of its own rows."""
