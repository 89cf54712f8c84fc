from insurers.lists.purging import purge_contacts
from insurers.management.purge_command import PurgeCommand


class Command(PurgeCommand):
    help = "Destroy the key of a list and rewrite its members without contacts."
    ask = purge_contacts
