"""Write cells that spreadsheet programs show and do not execute (OWASP, « CSV injection »).

Every file that the portal lets out as CSV passes through here.
"""

import re

# Some programs pass over spaces, and take full-width signs for the plain ones. A cell that is
# already behind an apostrophe gets one more, so that `live_cell` gives back what was there.
_EXECUTED = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")


def inert_cell(text: str) -> str:
    """Return a cell that no spreadsheet program takes for a formula."""
    return "'" + text if _EXECUTED.match(text) else text


def live_cell(text: str) -> str:
    """Return what a cell was before `inert_cell`: for files that come back to the portal."""
    return text[1:] if text.startswith("'") and _EXECUTED.match(text) else text
