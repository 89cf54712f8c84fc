"""The portal operator's pages: the directory, and the people who work with it."""

from insurers.admin import directory, people

__all__ = ["directory", "people"]
