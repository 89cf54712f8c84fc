"""What this app announces; the apps above listen."""

from django.dispatch import Signal

list_accepted = Signal()
"""A list became visible. Sent by the worker with `affected_list`, inside the transaction that
makes it so: a receiver that fails undoes it, and the sweep tries again."""

listings_changed = Signal()
"""Marks were written on people of a `breach_id` and `insurer_id`: some are listed elsewhere, or
no longer. Sent by the worker inside the transaction that writes them, which holds the
insurer's turn."""

leaving_foreseen = Signal()
"""Before a list is decided: the temporary table `leaving` (list_id, ordinal) names the people
whom its acceptance would end. Sent by the worker with `report`, whose counts of messages and
people told receivers complete."""
