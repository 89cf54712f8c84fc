from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.template.loader import render_to_string


class Command(BaseCommand):
    help = "Write 503.html beside the static files, for the proxy to show while the portal is down."

    def handle(self, *args: Any, **options: Any) -> None:
        page = Path(settings.STATIC_ROOT) / "503.html"
        page.write_text(render_to_string("503.html"), encoding="utf-8")
        self.stdout.write(f"{page}")
