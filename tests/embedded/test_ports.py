"""Which ports the demonstration takes."""

import socket

import pytest

from breachportal.embedded import ports
from breachportal.embedded.ports import hold_ports


def test_the_next_port_is_taken_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        taken = neighbour.getsockname()[1]
        monkeypatch.setattr(ports, "PORTAL_PORT", taken)
        with hold_ports(None) as held:
            assert held.portal > taken
    assert f"Le port {taken} est occupé" in capsys.readouterr().out


def test_a_port_that_was_asked_for_is_not_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        with pytest.raises(ports.PortTakenError, match="PORT="):
            with hold_ports(neighbour.getsockname()[1]):
                pass


def test_a_neighbour_on_the_other_localhost_counts() -> None:
    """A browser that is told « localhost » tries ::1 first."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as neighbour:
        with pytest.raises(ports.PortTakenError):
            with hold_ports(neighbour.getsockname()[1]):
                pass


def test_runs_at_neighbouring_ports_share_none_although_neither_serves_yet() -> None:
    with hold_ports(None) as first, hold_ports(None) as second:
        taken = [one for run in (first, second) for one in (run.portal, run.mail_page, run.smtp)]
        assert len(set(taken)) == 6


def test_the_port_of_a_run_that_does_not_serve_yet_is_taken() -> None:
    with hold_ports(None) as first:
        with pytest.raises(ports.PortTakenError):
            with hold_ports(first.portal):
                pass


def test_a_server_may_listen_where_its_port_was_let_go() -> None:
    with hold_ports(None) as held:
        held.let_go(held.smtp)
        socket.create_server(("127.0.0.1", held.smtp)).close()
