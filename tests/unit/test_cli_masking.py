"""Secrets are taken out of text and JSON, and what an operator needs to see is left in."""

import json
import shlex
from urllib.parse import quote, quote_plus

import pytest

from der_cli.masking import REMOVED, Mask, is_secret_name, secrets_in, secrets_of

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "postgres://bess:{}@localhost:5432/bess",
        "der_headend --database-url=postgresql://bess:{}@h/d --log-level info",
        "http://{}@host/path",
        "PGPASSWORD={} psql",
        "my_api_key: {}",
        '{{"password": "{}", "n": 1}}',
        r'{{"line": "{{\"client_secret\": \"{}\"}}"}}',
        "host=x password='{}' user=y",
        "Authorization: Bearer {}",
        "authorization=Basic {}",
        "curl -H 'X-Api-Key: {}'",
        "tool --api-token {} --site-id 7",
        "GET /x?access_token={}&limit=1",
        "Set-Cookie: {}",
        "OTEL_EXPORTER_OTLP_HEADERS=x-key={}",
        "postgres://bess@server:{}@h/d",
        "postgres://bess:a'{}\"<x@h/d",
        '{{"url": "postgres://bess:a\\"{}@h/d", "n": 1}}',
        "rediss://{}@h",
        "to=postgres%3A%2F%2Fbess%3A{}%40h",
        "password%3D{}",
        "DB_PW={}",
        "dbpass={}",
        "AccountKey={};x=1",
        "password=SecretStr('{}')",
        "{{'password': b'{}'}}",
        "[('authorization', '{}')]",
        "Authorization: ApiKey {}",
        "Cookie: a=1; sid={}",
        "PASSWORD\t{}",
        "<password>{}</password>",
        "password: |\n  {}\n",
        "--password -{}",
        '--password "a {}"',
        "--password 'a'\"'\"'{}'",
        "curl -u bess:{} http://h",
        "ALTER ROLE bess PASSWORD '{}'",
        "CREATE USER bess WITH ENCRYPTED PASSWORD E'it''s {}' VALID UNTIL 'infinity'",
        "passwd -> {}",
        "passphrase: correct horse {}",
        "at noon the passphrase = correct horse {}, as ever",
        "db:\n  password: correct horse {}\n",
        "DATABASE_URL=postgres://u:pa ss {}@h/db",
        "to postgres://u:{} @@h/db failed",
    ],
)
def test_what_stands_where_a_secret_stands_is_removed(text: str) -> None:
    masked = Mask().text(text.format("hunter2"))
    assert "hunter2" not in masked
    assert REMOVED in masked


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "AKIAIOSFODNN7EXAMPLE",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1\n-----END EC PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_removed_wherever_it_is(secret: str) -> None:
    assert Mask().text(f"connected with {secret} at noon") == f"connected with {REMOVED} at noon"


def test_a_key_is_removed_though_its_beginning_is_not_there() -> None:
    line = "MHcCAQEEIIrYSSNQFaA2Hwf1/kZ+\n"
    assert Mask().text(f"at noon\n{line * 2}-----END EC PRIVATE KEY-----\ny\n") == f"at noon\n{REMOVED}\ny\n"


@pytest.mark.parametrize("password", ["a'b c", 'say "x"', "p@ss:w/ord", "pä\\ss", "<abc>"])
@pytest.mark.parametrize("user", ["bess", "bess@server", ""])
@pytest.mark.parametrize("encoded", [False, True])
def test_a_password_is_removed_in_every_spelling(password: str, user: str, encoded: bool) -> None:
    url = f"postgres://{user}:{quote(password, safe='') if encoded else password}@h/d"
    spelt = [password, quote(password, safe=""), quote_plus(password), json.dumps(password), repr(password)]
    spelt += [shlex.quote(password), url, json.dumps({"at": url}), shlex.join(["x", "--database-url", url])]
    mask = Mask(secrets_of({"DATABASE_URL": url}))
    left = [text for text in spelt if REMOVED not in mask.text(text) or password in mask.text(text)]
    assert left == []


def test_what_follows_a_secret_flag_is_known() -> None:
    argv = (
        "der_headend",
        "--api-token",
        "-odd one",
        "--db-password=a'b",
        "--url",
        "amqp://u:x y@h",
        "--site",
        "7",
    )
    assert secrets_in(argv) == {"-odd one", "a'b", "x y"}


def test_a_long_line_takes_no_minutes() -> None:
    for long in ("ab12" * 5000, "key." * 5000, "A" * 64 + "\n", "amqp://u:" * 500, "passphrase: a " * 1500):
        Mask().text(long * 20)


def test_what_is_known_to_be_a_secret_is_removed_in_every_spelling() -> None:
    secrets = secrets_of(
        {"DATABASE_URL": "postgres://u:p%40ss%2Fw@h/d", "PGPASSWORD": 'say "x"', "SITE_ID": "7"}
    )
    masked = Mask(secrets).text('p%40ss%2Fw, p@ss/w, say "x", say \\"x\\", SITE_ID 7')
    assert masked == ", ".join([REMOVED] * 4) + ", SITE_ID 7"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T15:05:55.977129Z [info     ] dispatch   dispatch_id=604e892b-a007-48f1-abb9-e002ad7076cd mw=5.0",
        "HEADEND_GRPC_ADDR=127.0.0.1:50070",
        "http://127.0.0.1:3001/assets?limit=2",
        "postgres://bess@localhost:5432/bess",
        'password authentication failed for user "bess"',
        "bypass=1 keyboard=us author=me",
        "unknown key 'max_m', did you mean 'max_mw'?",
        "the password of user 'bess' is wrong; ask ops@site",
        "postgres://bess@localhost:5432/bess is away; ask ops@site",
        "amqp://broker:5672 is away, ask ops@site",
        "http://headend:3001 answers op@site",
        "passphrases have more than one word",
        "der_ingest_rows_total 12345.0",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert Mask().text(text) == text


def test_json_stays_json() -> None:
    document = {"token": 5, "a": [{"password": None, "url": "postgres://u:hunter2@h/d"}], "n": 1.5}
    clean = Mask().document(document)
    assert clean == {
        "token": REMOVED,
        "a": [{"password": None, "url": f"postgres://u:{REMOVED}@h/d"}],
        "n": 1.5,
    }
    json.dumps(clean)


def test_names_are_replaced_as_whole_words() -> None:
    mask = Mask(names={"North": "site-1", "North Sea": "site-2"})
    assert mask.text("North Sea, North, Northern") == "site-2, site-1, Northern"


def test_which_names_are_secrets() -> None:
    assert all(
        map(is_secret_name, ["PGPASSWORD", "API_KEY", "GITHUB_TOKEN", "PGPASSFILE", "db_passwd", "Cookie"])
    )
    assert not any(
        map(is_secret_name, ["SITE_ID", "HEADEND", "BYPASS", "KEYBOARD", "DATABASE_URL", "mw", "PWD"])
    )
