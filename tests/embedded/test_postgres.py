"""The embedded PostgreSQL, and the roles that it is given."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from breachportal.embedded.postgres import Cluster, start_cluster, stop_cluster
from breachportal.embedded.process import find_leftovers

ROLES = ["breachportal_owner", "breachportal_web", "breachportal_worker"]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_passes_through_row_level_security(cluster: Cluster, role: str) -> None:
    query = (
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole"
        " FROM pg_roles WHERE rolname = current_user"
    )
    with cluster.connect("breachportal", role=role) as conn:
        assert conn.execute(query).fetchone() == (False, False, False, False)


def test_web_cannot_reach_the_members(cluster: Cluster) -> None:
    with cluster.connect("breachportal") as admin:
        admin.execute("CREATE TABLE members.reachable AS SELECT 1")
        admin.execute("GRANT ALL ON members.reachable TO breachportal_web")
    with cluster.connect("breachportal", role="breachportal_web") as web:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute("TABLE members.reachable")


@pytest.mark.parametrize("role", ["breachportal_web", "breachportal_worker"])
def test_only_the_owner_creates_tables_in_public(cluster: Cluster, role: str) -> None:
    with cluster.connect("breachportal", role=role) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("CREATE TABLE public.mine (a int)")


def test_the_owner_creates_what_the_worker_owns(cluster: Cluster) -> None:
    query = "SELECT tableowner FROM pg_tables WHERE tablename = 'made_by_migration'"
    with cluster.connect("breachportal", role="breachportal_owner") as owner:
        owner.execute("SET ROLE breachportal_worker")
        owner.execute("CREATE TABLE members.made_by_migration (a int)")
        assert owner.execute(query).fetchone() == ("breachportal_worker",)


def test_the_owner_has_none_of_the_workers_rights_by_itself(cluster: Cluster) -> None:
    with cluster.connect("breachportal", role="breachportal_owner") as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("CREATE TABLE members.not_mine (a int)")


def test_provisioning_again_takes_back_a_right_given_by_mistake(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        admin.execute("ALTER ROLE breachportal_web BYPASSRLS")
    cluster.provision("breachportal")
    with cluster.connect() as admin:
        query = "SELECT rolbypassrls FROM pg_roles WHERE rolname = 'breachportal_web'"
        assert admin.execute(query).fetchone() == (False,)


def test_accents_have_a_lower_case(cluster: Cluster) -> None:
    with cluster.connect() as conn:
        assert conn.execute("SELECT lower('ÉÀÇŒ')").fetchone() == ("éàçœ",)


def test_a_failed_insertion_leaves_no_value_in_the_log(cluster: Cluster) -> None:
    with cluster.connect() as conn:
        conn.execute("CREATE TEMP TABLE contact (email text PRIMARY KEY)")
        conn.execute("INSERT INTO contact VALUES ('camille@phare.example')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute("INSERT INTO contact VALUES ('camille@phare.example')")
    log = (cluster.folder / "logs" / "postgres.log").read_text()
    assert "contact_pkey" in log
    assert "camille" not in log


def test_it_comes_back_with_its_data_after_a_kill(tmp_path: Path) -> None:
    killed = start_cluster(tmp_path)
    with killed.connect() as conn:
        conn.execute("CREATE TABLE kept AS SELECT 'Camille' AS name")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    again = start_cluster(tmp_path)
    with again.connect() as conn:
        assert conn.execute("TABLE kept").fetchone() == ("Camille",)
    stop_cluster(again)


def test_it_starts_although_its_old_pid_is_now_another_process(tmp_path: Path) -> None:
    stop_cluster(start_cluster(tmp_path))
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n/proc/self/cwd\n0\n5432\n\n\n")
    stop_cluster(start_cluster(tmp_path))


def test_stopping_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    running = start_cluster(tmp_path)
    assert find_leftovers(tmp_path, servers_only=True)
    stop_cluster(running)
    assert find_leftovers(tmp_path, servers_only=True) == []
    assert not running.runtime.exists()
