"""Run the demonstration, or forget it: see `make demo` and `make reset-demo`."""

import argparse
import io
import sys
from pathlib import Path

from breachportal.embedded.demo import reset_demo, run_demo
from breachportal.embedded.history import OtherHistoryError
from breachportal.embedded.ports import PortTakenError
from breachportal.embedded.process import ServerDiedError
from breachportal.embedded.state import PROJECT, AlreadyRunningError, State


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m breachportal.embedded")
    parser.add_argument("command", nargs="?", choices=("demo", "reset"), default="demo")
    parser.add_argument(
        "--state", type=Path, default=PROJECT / ".demo", help="where everything is kept"
    )
    parser.add_argument("--port", type=_port, help="the portal's port (8000, or the next free one)")
    parser.add_argument(
        "--members", type=int, default=50_000, help="how many fictional members to notify"
    )
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace"
        )  # A terminal that is not UTF-8 must not stop the demonstration.
    state = State(options.state.resolve())
    try:
        if options.command == "reset":
            reset_demo(state)
        else:
            run_demo(state, port=options.port, members=options.members)
    except AlreadyRunningError as running:
        return _fail(f"La démonstration tourne déjà ({running}). Arrêtez-la d’abord (Ctrl-C).")
    except PermissionError as error:
        return _fail(
            f"{error.filename} appartient à un autre compte : effacez ce dossier depuis celui-ci."
        )
    except (OtherHistoryError, PortTakenError, ServerDiedError) as error:
        return _fail(str(error))
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("un port va de 1 à 65535")
    return port


def _fail(message: str) -> int:
    print(f"\n{message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
