"""Rows of the directory that answers name, kept while it is the same (`versions.Kept`)."""

from uuid import UUID

from insurers.models import Breach, Insurer
from lookup.versions import Kept

insurers_by_slug = Kept(lambda: {insurer.slug: insurer for insurer in Insurer.objects.all()})
_insurers = Kept(lambda: Insurer.objects.in_bulk())
_breaches = Kept(lambda: Breach.objects.in_bulk())


def insurer_of(pk: UUID) -> Insurer:
    """Return an insurer that exists."""
    return _insurers().get(pk) or Insurer.objects.get(pk=pk)


def breach_of(pk: int) -> Breach:
    """Return a breach that exists."""
    return _breaches().get(pk) or Breach.objects.get(pk=pk)
