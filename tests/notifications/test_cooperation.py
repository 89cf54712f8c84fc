"""Several connections in one thread: each gives way where it waits, and nothing is lost by it."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread, get_ident

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from notifications.channels import smtp
from notifications.channels.base import ChannelDownError
from notifications.cooperation import (
    CLERKS,
    CooperativeLock,
    by_a_clerk,
    in_a_thread,
    let_others_go_first,
    run_together,
    sleep,
    wait_readable,
)
from notifications.models import Encryption, Transport
from notifications.senders.choosing import PORTAL, Sender
from tests.notifications.email.scripted_smtp import Script, scripted_smtp
from tests.notifications.email.test_connecting import certificate
from tests.notifications.email.test_smtp import sender

Pairs = list[tuple[socket.socket, socket.socket]]


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    with ExitStack() as open_ones:
        yield [
            (open_ones.enter_context(one), open_ones.enter_context(other))
            for one, other in (socket.socketpair() for _ in range(5))
        ]


def read(wire: socket.socket) -> bytes:
    wait_readable(wire.fileno(), seconds=10)
    return wire.recv(100)


def test_each_reads_what_comes_for_it_in_whatever_order(pairs: Pairs) -> None:
    def write_backwards() -> bytes:
        for number, (ours, _theirs) in reversed(list(enumerate(pairs))):
            ours.send(b"%d" % number)
            sleep(0.01)
        return b""

    jobs: list[Callable[[], bytes]] = [partial(read, theirs) for _ours, theirs in pairs]
    assert run_together([*jobs, write_backwards]) == [b"0", b"1", b"2", b"3", b"4", b""]


def test_who_gets_no_answer_is_told_and_the_others_go_on(pairs: Pairs) -> None:
    silent, peer = pairs[0]
    went_on: list[float] = []

    def in_vain() -> None:
        with pytest.raises(TimeoutError):
            wait_readable(silent.fileno(), seconds=0.2)
        assert len(went_on) == 5
        peer.send(b"late")
        wait_readable(silent.fileno(), seconds=10)  # It is watched anew.

    def others() -> None:
        for _ in range(5):
            sleep(0.01)
            went_on.append(time.monotonic())

    run_together([in_vain, others])
    assert silent.recv(10) == b"late"


def test_what_blocks_is_done_apart_and_its_error_comes_back() -> None:
    seen: list[str] = []

    def block(text: str) -> tuple[str, int]:
        time.sleep(0.3)
        seen.append(text)
        return text, get_ident()

    def fail() -> None:
        raise ValueError("apart")

    def one() -> int:
        text, thread = in_a_thread(partial(block, "blocked"))
        assert text == "blocked"
        return thread

    def another() -> int:
        sleep(0.01)
        seen.append("went on")
        with pytest.raises(ValueError, match="apart"):
            in_a_thread(fail)
        return get_ident()

    threads = run_together([one, another])
    assert seen == ["went on", "blocked"]
    assert threads[0] != threads[1] == get_ident()


def test_few_clerks_work_for_all_and_nobody_is_held_up() -> None:
    clerks, went_on = set[int](), list[float]()

    def work(number: int, *, seconds: float) -> int:
        clerks.add(get_ident())
        time.sleep(seconds)
        if number == 3:
            raise ValueError("a clerk's")
        return number

    def ask(number: int) -> int:
        return by_a_clerk(work, number, seconds=0.1)

    def go_on() -> int:
        for _ in range(5):
            sleep(0.01)
            went_on.append(time.monotonic())
        return len(went_on)

    jobs: list[Callable[[], int]] = [partial(ask, 1), partial(ask, 2), go_on, partial(ask, 4)]
    assert run_together(jobs) == [1, 2, 5, 4]
    assert len(clerks) == CLERKS
    assert get_ident() not in clerks
    with pytest.raises(ValueError, match="a clerk's"):
        run_together([partial(ask, 3)])


@pytest.mark.django_db
def test_a_clerk_whose_connection_is_cut_does_the_next_work_over_another() -> None:
    def ask(statement: str) -> object:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()

    def one() -> object:
        with pytest.raises(OperationalError):
            by_a_clerk(ask, "SELECT pg_terminate_backend(pg_backend_pid())")
        return by_a_clerk(ask, "SELECT 1")

    with ThreadPoolExecutor(1) as pool:  # This thread is within the test's transaction.
        assert pool.submit(run_together, [one]).result() == [(1,)]


def test_who_lets_the_others_go_first_goes_on_when_none_can(pairs: Pairs) -> None:
    seen: list[int] = []
    first, second = pairs[0]

    def go_last() -> None:
        let_others_go_first()
        seen.append(0)

    def read_what_comes() -> None:
        first.send(b"an answer that is there before anybody looks")
        wait_readable(second.fileno(), seconds=10)
        seen.append(1)

    def too_late() -> None:
        sleep(0.2)
        seen.append(2)

    run_together([go_last, read_what_comes, too_late])
    assert seen == [1, 0, 2]


def test_who_goes_last_does_not_wait_for_those_who_always_have_something_to_read(
    pairs: Pairs,
) -> None:
    is_over: list[bool] = []

    def go_on(wire: socket.socket, peer: socket.socket) -> None:
        limit = time.monotonic() + 1
        while not is_over and time.monotonic() < limit:
            peer.send(b"an answer that is there when it is looked for")
            assert read(wire)

    def go_last() -> float:
        begun = time.monotonic()
        let_others_go_first()
        is_over.append(True)
        return time.monotonic() - begun

    jobs: list[Callable[[], float | None]] = [partial(go_on, *pair) for pair in pairs]
    waited = run_together([*jobs, go_last])[-1]
    assert waited is not None
    assert waited < 0.5


def test_turns_are_had_one_after_the_other_by_loops_and_threads() -> None:
    turn, inside, seen = CooperativeLock(), list[int](), list[int]()

    def have(number: int) -> None:
        for _ in range(20):
            with turn:
                inside.append(number)
                sleep(0.001)
                assert inside == [number]
                inside.remove(number)
                seen.append(number)

    jobs: list[Callable[[], None]] = [partial(have, number) for number in range(6)]
    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(run_together, jobs[:3]), pool.submit(run_together, jobs[3:])]
        have(6)
    assert [loop.result() for loop in loops] == [[None] * 3] * 2
    assert sorted(seen) == sorted(20 * [0, 1, 2, 3, 4, 5, 6])


def test_turns_are_had_in_the_order_of_asking_and_waiting_for_one_holds_nobody_up() -> None:
    turn, seen = CooperativeLock(), list[str]()

    def hold() -> None:
        with turn:
            sleep(0.1)

    def ask(name: str) -> None:
        with turn:
            seen.append(name)

    def go_on() -> None:
        sleep(0.01)
        seen.append("meanwhile")

    jobs: list[Callable[[], None]] = [hold, partial(ask, "first"), partial(ask, "second"), go_on]
    run_together(jobs)
    assert seen == ["meanwhile", "first", "second"]


def test_a_turn_ends_with_an_error() -> None:
    turn = CooperativeLock()

    def fail() -> None:
        with turn:
            raise ValueError("mine")

    def go_on() -> str:
        with turn:
            return "had"

    with pytest.raises(ValueError, match="mine"):
        fail()
    assert run_together([go_on]) == ["had"]


def test_an_error_comes_back_once_all_have_ended() -> None:
    ended: list[bool] = []

    def fail() -> None:
        raise ValueError("mine")

    def go_on() -> None:
        sleep(0.05)
        ended.append(True)

    with pytest.raises(ValueError, match="mine"):
        run_together([fail, go_on])
    assert ended == [True]


@pytest.mark.django_db
def test_nobody_gives_way_within_a_transaction() -> None:
    def within() -> None:
        with transaction.atomic():
            sleep(0)

    with pytest.raises(AssertionError, match="within this transaction"):
        run_together([within])


def test_alone_each_simply_waits(pairs: Pairs) -> None:
    wire, peer = pairs[0]
    peer.send(b"x")
    wait_readable(wire.fileno(), seconds=1)
    sleep(0)
    assert in_a_thread(get_ident) == by_a_clerk(get_ident) == get_ident()
    let_others_go_first()
    with CooperativeLock():
        pass


def test_a_server_that_does_not_greet_holds_nobody_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "EMAIL_TIMEOUT", 1.0)
    went_on: list[float] = []

    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        to_silent = Sender(
            account=PORTAL,
            from_name="",
            from_address="portail@example.fr",
            reply_to="",
            bounce_domain="",
            transport=Transport.SMTP,
            host="127.0.0.1",
            port=silent.getsockname()[1],
            encryption=Encryption.NONE,
        )

        def greet() -> float:
            with pytest.raises(ChannelDownError), smtp.smtp_session(to_silent):
                pass
            return time.monotonic()

        def others() -> float:
            for _ in range(10):
                sleep(0.01)
                went_on.append(time.monotonic())
            return went_on[-1]

        given_up, last = run_together([greet, others])
    assert len(went_on) == 10
    assert last < given_up


ENVELOPE = smtp.Envelope("us@example.fr", "zoe@example.fr", "t")


Lost = tuple[str, bool]


def lost(content: bytes, to: Sender) -> Lost:
    """Send a message to a server that does not answer; return the verb, and whether all left."""
    with smtp.smtp_session(to) as session, pytest.raises(smtp.LostConnectionError) as error:
        session.deliver(ENVELOPE, content, ENVELOPE)
    return error.value.verb, error.value.sent


def beside(job: Callable[[], Lost]) -> Lost:
    """Do it while another connection goes on, and assert that this one was not held up."""
    waited, is_over = [0.0], list[bool]()

    def other() -> None:
        while not is_over:
            before = time.monotonic()
            sleep(0.01)
            waited.append(time.monotonic() - before)

    def one() -> Lost:
        try:
            return job()
        finally:
            is_over.append(True)

    found, _nothing = run_together([one, other])
    assert max(waited) < 0.4
    assert len(waited) > 10
    assert found is not None
    return found


def test_a_server_that_does_not_read_holds_nobody_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "EMAIL_TIMEOUT", 0.6)
    with silent_after(b"DATA", b"354 go on\r\n") as port:
        to = sender(Script(port=port))
        assert beside(partial(lost, b"x" * 30_000_000, to)) == ("CONTENT", False)


def test_half_a_record_of_tls_holds_nobody_else_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "EMAIL_TIMEOUT", 0.6)
    files = certificate(tmp_path, "127.0.0.1")
    context = ssl.create_default_context(cafile=files[0])
    monkeypatch.setattr(smtp, "tls_context", lambda: context)
    with (
        scripted_smtp(Script(extensions=("STARTTLS",), certificate=files)) as script,
        cut_at(script, "MAIL") as port,
    ):
        to = sender(script, port=port, encryption=Encryption.STARTTLS)
        assert beside(partial(lost, b"", to)) == ("MAIL", False)


def test_a_reply_that_comes_byte_by_byte_is_waited_for_no_longer_than_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "EMAIL_TIMEOUT", 0.6)
    with silent_after(b"MAIL", *[b"%d" % (n // 10 % 10) for n in range(25, 60)]) as port:
        begun = time.monotonic()
        assert beside(partial(lost, b"", sender(Script(port=port)))) == ("MAIL", False)
        assert time.monotonic() - begun < 2.0


@contextmanager
def silent_after(verb: bytes, *pieces: bytes) -> Iterator[int]:
    """Serve SMTP; to `verb` answer these pieces, a tenth of a second apart, and read no more."""

    def serve(wire: socket.socket) -> None:
        wire.send(b"220 here\r\n")
        while line := wire.recv(1000):
            if line.startswith(verb):
                break
            wire.send(b"250 ok\r\n")
        for piece in pieces:
            wire.send(piece)
            time.sleep(0.1)

    with serving(serve) as port:
        yield port


@contextmanager
def cut_at(script: Script, verb: str) -> Iterator[int]:
    """Pass on what a server says, and of its reply to `verb` the beginning."""

    def pass_on(wire: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", script.port)) as server:
            Thread(target=partial(pour, wire, server), daemon=True).start()
            while said := server.recv(4096):
                is_cut = script.commands[-1:] and script.commands[-1].startswith(verb)
                wire.send(said[:10] if is_cut else said)

    with serving(pass_on) as port:
        yield port


def pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(4096):
            target.send(content)
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Have one connection to a free port served; it is closed with the block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ExitStack() as ending:

        def accept() -> None:
            wire, _address = listener.accept()
            ending.callback(wire.close)
            with suppress(OSError):
                serve(wire)

        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
