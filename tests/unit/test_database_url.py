"""DATABASE_URL: what is wrong with it is said in one line, and nothing of the password ever is."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_headend.store.postgres.url import check_url, is_local, shown
from der_runtime.failure import StartFailed

ENDING = (
    "; expected postgres://user:password@host:port/database, "
    "e.g. DATABASE_URL=postgres://bess:besspassword@localhost:5432/bess"
)


def refusal(url: str) -> str:
    """The one line for a URL, without what all of them have in common."""
    with pytest.raises(StartFailed) as caught:
        check_url(url)
    (line,) = caught.value.lines
    assert line.startswith("Error: DATABASE_URL: ")
    assert line.endswith(ENDING)
    return line.removeprefix("Error: DATABASE_URL: ").removesuffix(ENDING)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://bess:besspassword@localhost:5432/bess",
        "postgresql://localhost/bess",
        "postgres://host",
        "postgres://bess:p%40%23%2F@localhost/bess",
        "postgres://bess@[::1]:5432/bess",
        "postgres://bess:secret@one:5432,two:5433/bess",
        "postgres:///bess?host=/run/postgresql&user=me@tenant&port=5433",
        "postgres://bess@%2Frun%2Fpostgresql/bess?sslmode=require",
        "postgres://bess:a:b@localhost/bess",
    ],
)
def test_what_asyncpg_understands_is_left_alone(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url", ["foo", "", "localhost:5432/bess", "bess:secret@localhost/bess", "postgres:x"]
)
def test_without_a_scheme(url: str) -> None:
    assert refusal(url) == "does not begin with a scheme"


@pytest.mark.parametrize("scheme", ["mysql", "postgresql+asyncpg", "http", "bess:secret"])
def test_with_another_scheme(scheme: str) -> None:
    assert refusal(f"{scheme}://bess@localhost/bess") == "has another scheme than postgres"


@pytest.mark.parametrize(
    "place", ["localhost:65536", "localhost:0", "localhost:x", "one,two:99999", "[::1]:-1"]
)
def test_with_a_port_that_is_none(place: str) -> None:
    assert refusal(f"postgres://bess@{place}/bess") == "has a port that is not a number from 1 to 65535"


def test_with_a_port_that_is_none_among_the_parameters() -> None:
    assert "port" in refusal("postgres://localhost/bess?port=99999")


def test_with_a_parameter_that_is_none() -> None:
    assert (
        refusal("postgres://localhost/bess?sslmode") == "has parameters after the ? that are not name=value"
    )


@pytest.mark.parametrize("special", ["@", "#", "/", "?", "[", "]", "%", "%4", "@/", "#@", "/@", "?#", "٣:/"])
def test_special_characters_in_the_password_are_to_be_encoded(special: str) -> None:
    url = f"postgres://bess:Geheim{special}Nummer@localhost:5432/bess"
    said = refusal(url)
    assert "percent-encode special characters in the password" in said
    assert "Geheim" not in said + shown(url)
    assert "Nummer" not in said + shown(url)


_PIECES = st.text(st.sampled_from("Zz9@#/?:[]%&=., \n"), min_size=1, max_size=8)


@given(st.lists(_PIECES, min_size=2, max_size=4))
def test_nothing_of_any_password_is_shown(pieces: list[str]) -> None:
    password = "SECRET".join(["", *pieces, ""])
    for url in (
        f"postgres://bess:{text}@localhost:5432/bess" for text in (password, quote(password, safe=""))
    ):
        told = shown(url)
        try:
            check_url(url)
        except StartFailed as failed:
            told += str(failed)
        assert "SECRET" not in told


def test_shown_is_the_url_without_password_and_parameters() -> None:
    assert shown("postgres://bess:p%40ss@localhost:5432/bess?sslmode=require") == (
        "postgres://bess@localhost:5432/bess"
    )
    assert shown("postgres://localhost/bess") == "postgres://localhost/bess"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgres://a:b@localhost:5432/c", True),
        ("postgres://a:b@127.0.0.1/c", True),
        ("postgres://a:b@[::1]:5432/c", True),
        ("postgres:///c", True),
        ("postgres:///c?host=/run/postgresql", True),
        ("postgres://a:b@db.example.org/c", False),
        ("postgres://a:b@localhost,db.example.org/c", False),
        ("postgres:///c?host=db.example.org", False),
        ("postgres:///c?host=localhost,db.example.org", False),
    ],
)
def test_a_database_is_local_if_every_host_is(url: str, local: bool) -> None:
    assert is_local(url, {}) is local


@pytest.mark.parametrize(
    ("url", "environment", "local"),
    [
        ("postgres:///c", {"PGHOST": "prod-db"}, False),
        ("postgres://a:b@/c", {"PGHOST": "prod-db"}, False),
        ("postgres:///c", {"PGHOST": "localhost,prod-db"}, False),
        ("postgres:///c", {"PGHOST": "/run/postgresql"}, True),
        ("postgres:///c", {"PGHOST": "localhost"}, True),
        ("postgres:///c", {"PGHOST": ""}, True),
        ("postgres:///c", {"PGSERVICE": "prod"}, False),
        ("postgres:///c?service=prod", {}, False),
        ("postgres:///c?service=prod", {"PGHOST": "localhost"}, False),
        ("postgres://localhost/c?service=prod", {"PGHOST": "prod-db", "PGSERVICE": "prod"}, True),
        ("postgres:///c?host=localhost", {"PGHOST": "prod-db", "PGSERVICE": "prod"}, True),
    ],
)
def test_where_the_url_names_no_host_the_environment_does(
    url: str, environment: dict[str, str], local: bool
) -> None:
    assert is_local(url, environment) is local
