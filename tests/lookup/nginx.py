"""Debian's nginx with the documented configuration, as an ordinary user, on ports of its own."""

import datetime
import http.client
import os
import pwd
import shutil
import socket
import ssl
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from breachportal.embedded.state import PROJECT
from tests.insurers.lists.web_servers import wait_for

HOST = "portail.example.fr"
CONFIGURATION = PROJECT / "docs" / "nginx.conf"
AROUND = """\
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/start.log;
events {{ worker_connections 256; }}
http {{
    types {{
        text/html html; text/css css; application/javascript js; image/svg+xml svg;
        application/json json;
    }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/portail.conf;
}}
"""


def find_nginx() -> str | None:
    """The path of nginx, which is not always on an ordinary user's PATH, or None."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers by lower-case name, body as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Nginx:
    """A running nginx; `folder` holds all that it writes."""

    folder: Path
    tls_port: int
    plain_port: int
    process: subprocess.Popen[bytes]

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask over TLS, as the public name; underscores in header names stand for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect()) as connection:
            connection.request(method, path, body=body, headers={"Host": HOST, **sent})
            answer = connection.getresponse()
            given = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, given, answer.read())

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection that checks the certificate for the public name."""
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        plain = socket.create_connection(("127.0.0.1", self.tls_port), timeout=60)
        connection = http.client.HTTPConnection("127.0.0.1", self.tls_port)
        connection.sock = context.wrap_socket(plain, server_hostname=HOST)
        return connection

    def written(self) -> bytes:
        """Everything that nginx has put on the disk, its cache and logs included."""
        own = {self.folder / "privkey.pem", self.folder / "fullchain.pem"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path not in own]
        return b"".join(path.read_bytes() for path in files)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def start_nginx(folder: Path, *, static: Path, upstream_port: int) -> Nginx:
    """Start nginx from docs/nginx.conf, with only what it says to be changed, changed."""
    program = find_nginx()
    assert program is not None
    tls_port, plain_port = free_ports(2)
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{tls_port} ssl",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "    listen [::]:443 ssl http2;\n": "",
        "    listen [::]:80;\n": "",
        "/etc/ssl/portail": str(folder),
        "/srv/portail/staticfiles": str(static),
        "/var/cache/nginx/portail": str(folder / "cache"),
        "/var/log/nginx": str(folder),
        "127.0.0.1:8000": f"127.0.0.1:{upstream_port}",
    }
    text = CONFIGURATION.read_text(encoding="utf-8")
    for documented, ours in changes.items():
        assert documented in text, documented
        text = text.replace(documented, ours)
    (folder / "portail.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    _write_certificate(folder)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    for path in (folder, *folder.iterdir()):
        if user:
            os.chown(path, user.pw_uid, user.pw_gid)
    log = str(folder / "start.log")
    process = subprocess.Popen(
        [program, "-e", log, "-p", str(folder), "-c", str(folder / "nginx.conf")],
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    wait_for(lambda: process.poll() is not None or listens(tls_port), what="nginx")
    assert process.poll() is None, Path(log).read_text()
    return Nginx(folder, tls_port, plain_port, process)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
