"""Write cells that spreadsheet programs show and do not execute."""

_EXECUTED = ("=", "+", "-", "@", "\t", "\r")


def inert_cell(text: str) -> str:
    """Return a cell that no spreadsheet program takes for a formula (OWASP, CSV injection)."""
    return "'" + text if text.startswith(_EXECUTED) else text
