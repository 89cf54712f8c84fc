"""Static files as an installation has them: collected once for a test run, copied for each site."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.production import production_environment


def copy_static_files(static: Path) -> None:
    """Put them into the folder `static`, which is not there yet."""
    folder = Path(os.environ["PORTAL_TEST_FOLDER"])
    collected = folder / "collected"
    with (folder / "collecting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not collected.exists():
            _collect(folder / "collecting").rename(collected)
    shutil.copytree(collected, static)


def _collect(static: Path) -> Path:
    environment = production_environment(str(static.parent))
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "-v", "0"],
        check=True,
        env=environment | {"PORTAL_ROLE": "web", "STATIC_ROOT": str(static)},
    )
    return static
