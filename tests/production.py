"""Run a Python program under production-like settings, made up, without any server.

python -m tests.production manage.py check --deploy
"""

import os
import subprocess
import sys
import tempfile

from breachportal.embedded.state import PROJECT, generate_secrets


def production_environment(folder: str) -> dict[str, str]:
    """Every setting that an installation must give, with `folder` for what it writes."""
    database = f"/breachportal?host={folder}"  # Nobody listens there: no check may need a server.
    return generate_secrets() | {
        "PORTAL_URL": "https://portail.example.fr",
        "DATABASE_URL_OWNER": f"postgresql://breachportal_owner@{database}",
        "DATABASE_URL_WEB": f"postgresql://breachportal_web@{database}",
        "DATABASE_URL_WORKER": f"postgresql://breachportal_worker@{database}",
        "REDIS_URL": f"unix://{folder}/redis.sock?db=0",
        "UPLOAD_DIR": folder,
        "KEY_STORE_DIR": folder,
        "SMS_OUTBOX_DIR": folder,
        "TRAIL_HEADS_DIR": folder,
        "STATIC_ROOT": folder,
        "TRUSTED_PROXY_COUNT": "1",
        "EMAIL_HOST": "smtp.example.fr",
        "DEFAULT_FROM_EMAIL": "portail@example.fr",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = production_environment(folder)
        sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], env=environment).returncode)


if __name__ == "__main__":
    main()
