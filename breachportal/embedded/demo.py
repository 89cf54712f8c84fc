"""The demonstration: its servers, the portal's processes, a fictional insurer, and what to try."""

import http.client
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from breachportal.embedded.history import check_history
from breachportal.embedded.mailpages import current_code, read_accounts
from breachportal.embedded.ports import Ports, hold_ports
from breachportal.embedded.postgres import start_cluster
from breachportal.embedded.process import (
    ServerDiedError,
    end_leftovers,
    log_file,
    spawn,
    stop,
    wait_until,
)
from breachportal.embedded.redis import start_redis
from breachportal.embedded.state import (
    PROJECT,
    Role,
    State,
    close_runtime,
    environment,
    open_runtime,
)
from breachportal.embedded.supervisor import Service, StopRequestedError, Supervisor, tail

DATABASE = "breachportal"
SEEDING_ROLE: Role = "web"
# Without its banner: a full disk takes no line of it, and Celery would not start.
CELERY = ("celery", "--quiet", "-A", "breachportal")
QUIETLY = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
WORKER_COMMAND = (
    *(*CELERY, "worker", "--queues", "ingest,dispatch,default", "--concurrency", "2", *QUIETLY),
)
# Whoever asks about themselves never waits behind a campaign: a worker of one process, alone.
REPLY_WORKER_COMMAND = (
    *(*CELERY, "worker", "--queues", "reply", "--hostname", "reply@%h", "--pool", "solo", *QUIETLY),
)

SETUP: tuple[tuple[str, Role, tuple[str, ...]], ...] = (
    ("Tables et droits", "owner", ("migrate", "--noinput", "--skip-checks", "--verbosity", "1")),
    ("Fichiers statiques", "web", ("collectstatic", "--noinput", "--verbosity", "0")),
    ("Annuaire des organismes", "web", ("load_directory", "--skip-checks")),
)


@dataclass(frozen=True)
class Demo:
    """One run of the demonstration."""

    state: State
    ports: Ports
    runtime: Path
    supervisor: Supervisor

    def bring_up(self, *, members: int) -> None:
        """Start everything, in order; the first start also fills it."""
        self._start("PostgreSQL", "postgres", self._start_postgres, signal.SIGINT)
        self._start("Redis", "redis", self._start_redis)
        for label, role, command in SETUP:
            self.supervisor.run(
                label,
                [sys.executable, "manage.py", *command],
                folder=PROJECT,
                environment=self._settings(role),
                log=log_file(self.state.folder, command[0]),
            )
        self._start("Boîte aux lettres", "mail", self._start_mail)
        self._start("Tâches de fond", "worker", self._start_worker)
        self._start("Réponses", "reply", self._start_reply_worker)
        self._start("Horloge", "beat", self._start_beat)
        self._start("Site", "web", self._start_web)
        self.supervisor.run_in_front(
            "Mutuelle de démonstration",
            [sys.executable, "manage.py", "seed_demo", "--skip-checks", "--members", str(members)],
            folder=PROJECT,
            environment=self._settings(SEEDING_ROLE),
        )

    def _settings(self, role: Role) -> dict[str, str]:
        return environment(
            role=role,
            state=self.state,
            sockets=self.runtime / "postgres",
            database=DATABASE,
            redis_url=f"unix://{self.runtime}/redis.sock?db=0",
            smtp_port=self.ports.smtp,
            portal_port=self.ports.portal,
        )

    def _start_postgres(self) -> subprocess.Popen[bytes]:
        cluster = start_cluster(self.state.folder, runtime=self.runtime)
        cluster.provision(DATABASE)
        return cluster.process

    def _start_redis(self) -> subprocess.Popen[bytes]:
        return start_redis(self.state.folder, runtime=self.runtime).process

    def _start_mail(self) -> subprocess.Popen[bytes]:
        command = [
            "breachportal.embedded.mailcatcher",
            *("--folder", str(self.state.mail), "--accounts", str(self.state.demo_file)),
            *("--smtp-port", str(self.ports.smtp), "--http-port", str(self.ports.mail_page)),
            *("--portal-url", f"http://localhost:{self.ports.portal}"),
        ]
        # No secret, but what find_leftovers looks for.
        settings = {"DEMO_STATE_FILE": str(self.state.demo_file)}
        self.ports.let_go(self.ports.mail_page, self.ports.smtp)
        return self._start_python("mail", command, settings, self._mail_answers)

    def _mail_answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.ports.smtp, timeout=5) as client:
                client.noop()
        except (OSError, smtplib.SMTPException):
            return False
        return _get(self.ports.mail_page, "/")

    def _start_worker(self) -> subprocess.Popen[bytes]:
        settings = self._settings("worker")
        return self._start_python("worker", WORKER_COMMAND, settings, self._workers_answer)

    def _start_reply_worker(self) -> subprocess.Popen[bytes]:
        settings = self._settings("worker")
        both = partial(self._workers_answer, 2)
        return self._start_python("reply", REPLY_WORKER_COMMAND, settings, both)

    def _workers_answer(self, count: int = 1) -> bool:
        path = self.runtime / "redis.sock"
        broker = f"redis+socket://{path}?virtual_host=0"
        with Celery(broker=broker, set_as_current=False) as app:
            try:
                return len(app.control.ping(timeout=0.5, limit=count) or []) >= count
            except (OSError, RedisError, OperationalError):
                return False  # Redis is on its way too.

    def _start_beat(self) -> subprocess.Popen[bytes]:
        # Beat answers nobody, but writes a schedule as it begins to run it: start without one.
        schedule = self.state.beat / "schedule"
        shutil.rmtree(self.state.beat)
        self.state.beat.mkdir()
        return self._start_python(
            "beat",
            [*CELERY, "beat", "--schedule", str(schedule), "--pidfile", ""],
            self._settings("web"),
            lambda: any(self.state.beat.iterdir()),
        )

    def _start_web(self) -> subprocess.Popen[bytes]:
        command = [
            *("granian", "--interface", "wsgi", "--no-ws", "--no-access-log"),
            *("--host", "127.0.0.1", "--port", str(self.ports.portal), "--blocking-threads", "8"),
            "breachportal.wsgi:application",
        ]
        settings = self._settings("web")
        self.ports.let_go(self.ports.portal)
        return self._start_python("web", command, settings, lambda: _get(self.ports.portal, "/"))

    def _start(
        self,
        label: str,
        name: str,
        start: Callable[[], subprocess.Popen[bytes]],
        first_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        log = log_file(self.state.folder, name)
        self.supervisor.start(Service(label, log, start, first_signal))

    def _start_python(
        self,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, str],
        answers: Callable[[], bool],
    ) -> subprocess.Popen[bytes]:
        def answers_or_stop() -> bool:
            self.supervisor.check_stop()
            return answers()

        log = log_file(self.state.folder, name)
        command = [sys.executable, "-m", *command]
        process = spawn(command, folder=PROJECT, environment=settings, log=log)
        try:
            wait_until(answers_or_stop, process=process, name=name)
        except (ServerDiedError, StopRequestedError) as error:
            stop(process)
            raise type(error)(f"{error}{tail(log)}") from error
        return process

    def say_what_to_try(self) -> None:
        """The addresses, the accounts and three things to do."""
        portal = f"http://localhost:{self.ports.portal}"
        mail = f"http://localhost:{self.ports.mail_page}"
        print(
            f"\nLe portail : {portal}\nLes messages reçus, et les codes à jour : {mail}/comptes/\n"
        )
        for account in read_accounts(self.state.demo_file):
            code = current_code(account["totp_secret"], now=time.time())
            who = f"{account['role']:<22} {account['email']:<38}"
            print(f"  {who} {account['password']}   code {code}")
        print(
            "\nTrois choses à essayer :\n"
            f"  1. Chercher un organisme, comme le ferait un assuré : {portal}/?q=phare\n"
            f"  2. Lire l’un des messages envoyés : {mail}/\n"
            f"  3. Se connecter comme auditeur et voir qui a été informé : {portal}/registre/\n"
            "\nCtrl-C arrête tout ; les données restent.",
            flush=True,
        )


def run_demo(state: State, *, port: int | None, members: int) -> None:
    """Bring everything up, fill it on the first start, stay until Ctrl-C.

    :raises AlreadyRunningError: when the state folder is in use.
    :raises OtherHistoryError: when another release made its database.
    :raises PortTakenError: when `port` was given and is not free.
    :raises ServerDiedError: when something does not come up, or stay up.
    """
    state.create()
    with ExitStack() as stack:
        lock = stack.enter_context(state.lock())
        check_history(state)
        supervisor = Supervisor()
        print("Le portail de démonstration démarre.", flush=True)
        end_leftovers(state.folder)
        ports = stack.enter_context(hold_ports(port))
        lock.write(f"http://localhost:{ports.portal}")
        lock.flush()
        demo = Demo(
            state=state, ports=ports, runtime=open_runtime(state.folder), supervisor=supervisor
        )
        try:
            demo.bring_up(members=members)
            demo.say_what_to_try()
            supervisor.watch()
        except StopRequestedError:
            print("\nArrêt…", flush=True)
        finally:
            supervisor.stop_all()
            close_runtime(state.folder)
    print("Tout est arrêté. « make demo » reprend ici ; « make reset-demo » efface tout.")


def reset_demo(state: State) -> None:
    """Forget everything that the demonstration kept.

    :raises AlreadyRunningError: when it is running.
    """
    if state.folder.exists():
        with state.lock():
            end_leftovers(state.folder)
            state.clear()
    print("La démonstration est effacée.")


def _get(port: int, path: str) -> bool:
    """Whether the web server on the port answers without an error of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
