from insurers.lists.purging import purge_list
from insurers.management.purge_command import PurgeCommand


class Command(PurgeCommand):
    help = "Destroy the key of a list and drop its members; counts and proof stay."
    ask = purge_list
