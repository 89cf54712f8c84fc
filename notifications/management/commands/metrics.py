import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server

from notifications.watching.health_pages import with_health
from notifications.watching.metrics import PortalCollector


class Command(BaseCommand):
    help = (
        "Serve Prometheus, and the health of workers and beat, at METRICS_ADDRESS:METRICS_PORT, "
        "for an internal network only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Les chiffres se lisent avec PORTAL_ROLE=worker.")
        registry = CollectorRegistry()
        registry.register(PortalCollector())
        address, port = settings.METRICS_ADDRESS, settings.METRICS_PORT
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            server, _thread = start_http_server(port, addr=address, registry=registry)
        except OSError as error:
            raise CommandError(
                f"METRICS_ADDRESS, METRICS_PORT : {address}:{port} ne s’ouvre pas "
                f"({error.strerror})."
            ) from error
        server.set_app(with_health(make_wsgi_app(registry)))
        self.stdout.write(f"http://{address}:{server.server_port}/metrics")
        self.stdout.flush()
        stop.wait()
        server.shutdown()
