"""The WSGI application that granian serves, with the web database role."""

import gc
import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
os.environ.setdefault("PORTAL_ROLE", "web")

application = get_wsgi_application()


def refuse_wrong_keys() -> None:
    """End a process that would fail at the first upload or question, and name the key."""
    from insurers.lists.key_check import faults_of_settings  # It needs models, loaded above.

    if faults := faults_of_settings():
        raise ImproperlyConfigured(" ".join(map(str, faults)))


refuse_wrong_keys()

# What was loaded stays: going through it again at each collection would make people wait. And a
# request leaves few cycles, but makes thousands of objects, each 700 of which start a collection.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 10, 10)
