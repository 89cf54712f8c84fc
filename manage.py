#!/usr/bin/env python
"""Run the portal's commands, each with the least database role that it needs."""

import os
import sys

ROLE_BY_COMMAND = {
    "migrate": "owner",
    "makemigrations": "owner",
    "verify_trail": "worker",
    "ingest_list": "worker",
}


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
    os.environ.setdefault("PORTAL_ROLE", ROLE_BY_COMMAND.get(command, "web"))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
