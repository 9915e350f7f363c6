"""The compose file gives the database that the runbook's DATABASE_URL names, and gives it to this machine only."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
DATABASE_URL = urlsplit("postgres://bess:besspassword@localhost:5432/bess")


@pytest.fixture(scope="module", name="compose")
def read_compose() -> dict[str, Any]:
    """Follow the root file to the service file, as `docker compose` in the repository's root does."""
    root: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    (included,) = root["include"]
    assert ROOT / included == COMPOSE
    compose: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    # `docker compose down -v` must drop the same volume, wherever it is called.
    assert compose["name"] == root["name"]
    return compose


@pytest.fixture(scope="module", name="postgres")
def read_postgres(compose: dict[str, Any]) -> dict[str, Any]:
    """The only service there is unless a profile asks for more."""
    (service,) = [service for service in compose["services"].values() if "profiles" not in service]
    assert isinstance(service, dict)
    return service


def test_the_user_the_password_and_the_database_are_those_of_the_url(postgres: dict[str, Any]) -> None:
    assert postgres["environment"] == {
        "POSTGRES_USER": DATABASE_URL.username,
        "POSTGRES_PASSWORD": DATABASE_URL.password,
        "POSTGRES_DB": DATABASE_URL.path.removeprefix("/"),
    }


def test_the_port_is_that_of_the_url_and_bound_to_loopback_only(postgres: dict[str, Any]) -> None:
    (published,) = postgres["ports"]
    assert published == f"127.0.0.1:{DATABASE_URL.port}:5432"


def test_the_image_is_a_pinned_major_version_the_headend_supports(postgres: dict[str, Any]) -> None:
    name, _, tag = postgres["image"].rpartition(":")
    assert name == "postgres"
    assert int(tag) >= 15


def test_the_data_is_in_a_named_volume_so_that_down_v_resets_it(
    compose: dict[str, Any], postgres: dict[str, Any]
) -> None:
    (mount,) = postgres["volumes"]
    volume, _, target = mount.partition(":")
    assert volume in compose["volumes"]
    assert target == "/var/lib/postgresql/data"


@pytest.mark.parametrize(("name", "port"), [("prometheus", 9090), ("grafana", 3000)])
def test_monitoring_is_for_those_who_ask_and_for_this_machine_only(
    compose: dict[str, Any], name: str, port: int
) -> None:
    service = compose["services"][name]
    assert service["profiles"] == ["monitoring"]
    assert service["network_mode"] == "host"
    told = str(service.get("command")) + str(service.get("environment"))
    assert "127.0.0.1" in told
    assert str(port) in told
    for mount in service["volumes"]:
        source = mount.partition(":")[0]
        assert source in compose["volumes"] or (COMPOSE.parent / source).resolve().exists()


def test_the_health_check_asks_for_the_database_itself(postgres: dict[str, Any]) -> None:
    command = postgres["healthcheck"]["test"]
    assert command[:2] == ["CMD", "pg_isready"]
    assert f"--username={DATABASE_URL.username}" in command
    assert f"--dbname={DATABASE_URL.path.removeprefix('/')}" in command
