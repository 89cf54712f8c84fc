"""What this app announces; the apps above listen."""

from django.dispatch import Signal

list_accepted = Signal()
"""A list became visible. Sent by the worker with `affected_list`, inside the transaction that
makes it so: a receiver that fails undoes it, and the sweep tries again."""
