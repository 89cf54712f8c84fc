"""The domains that are an insurer's own."""

from insurers.models import Insurer
from notifications.models import DeclaredSender


def own_domains(insurer: Insurer) -> frozenset[str]:
    """Return the domains of an insurer's contact in the directory and of its declared sender."""
    declared = DeclaredSender.objects.filter(insurer_id=insurer.pk)
    contact = insurer.contact_email.rpartition("@")[2]
    domains = {contact, *declared.values_list("from_domain", flat=True)}
    return frozenset(domain.lower() for domain in domains if domain)
