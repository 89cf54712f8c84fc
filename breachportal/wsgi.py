"""The WSGI application that granian serves, with the web database role."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
os.environ.setdefault("PORTAL_ROLE", "web")

application = get_wsgi_application()

# What was loaded stays: going through it again at each collection would make people wait.
gc.collect()
gc.freeze()
