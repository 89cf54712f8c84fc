"""The portal, with pages that caches must ask for again after a second instead of a minute."""

from breachportal.wsgi import application
from lookup import public

public.FRESH = 1

__all__ = ["application"]
