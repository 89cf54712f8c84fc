"""The portal's own settings, with a view of constant bytes beside its pages."""

from breachportal.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.web_urls"
