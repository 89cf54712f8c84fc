"""Find the system's Chromium for the browser tests, or install it (`python -m tests.chromium`)."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
INSTALL = (("apt-get", "update", "-qq"), ("apt-get", "install", "-qq", "-y", "chromium"))
ADVICE = """\
The browser tests need Chromium or Google Chrome, and none was found that runs. Install one:
  Debian, Ubuntu    sudo apt-get install chromium
  Fedora            sudo dnf install chromium
  Arch              sudo pacman -S chromium
  macOS             brew install --cask google-chrome
then run `make test` again."""


def find_chromium() -> str | None:
    """The path of a Chromium that runs (Ubuntu's placeholder for its snap does not), or None."""
    candidates = [path for name in (*NAMES, MAC) if (path := shutil.which(name))]
    return next((path for path in candidates if _runs(path)), None)


def _runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _install() -> None:
    """Install Debian's package, where we are allowed to."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    sys.stderr.write("Installing Chromium for the browser tests…\n")
    for command in INSTALL:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode != 0:
            return


def main() -> None:
    if find_chromium() is None:
        _install()
    if find_chromium() is None:
        sys.exit(ADVICE)


if __name__ == "__main__":
    main()
