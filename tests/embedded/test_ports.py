"""Which ports the demonstration takes."""

import socket

import pytest

from breachportal.embedded import demo


def test_the_next_port_is_taken_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        taken = neighbour.getsockname()[1]
        monkeypatch.setattr(demo, "PORTAL_PORT", taken)
        assert demo.choose_ports(None).portal > taken
    assert f"Le port {taken} est occupé" in capsys.readouterr().out


def test_a_port_that_was_asked_for_is_not_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        with pytest.raises(demo.PortTakenError, match="PORT="):
            demo.choose_ports(neighbour.getsockname()[1])


def test_a_neighbour_on_the_other_localhost_counts() -> None:
    """A browser that is told « localhost » tries ::1 first."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as neighbour:
        assert not demo.is_free(neighbour.getsockname()[1])
