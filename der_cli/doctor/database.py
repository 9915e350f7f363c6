"""Whether the database answers, has the right schema, and belongs to one headend."""

from collections.abc import Iterator

from der_cli.doctor.facts import Facts
from der_cli.doctor.findings import Check, Finding, listing

DATABASE = Check("Database does not answer", "Database lost while the headend runs", "Database answers")
SCHEMA = Check("Schema is not up to date", "Schema is not up to date", "Schema is up to date")
SHARED = Check(
    "Two headends on one database",
    "Sessions end or dispatches are missing with two headends",
    "Database has one headend",
)


def check(facts: Facts) -> Iterator[Finding]:
    """All of them."""
    yield _database(facts)
    yield _schema(facts)
    yield _shared(facts)


def _database(facts: Facts) -> Finding:
    readiness = facts.headend.readiness if facts.headend else None
    ill = [
        each
        for each in (readiness["checks"] if readiness else ())
        if not each["ok"] and each["name"] != "grpc"
    ]
    if ill:
        return DATABASE.problem(
            f"the headend is not ready: {listing([each['detail'] for each in ill])}",
            "Start PostgreSQL again; nothing has to be done to the headend, everything catches up. With compose:",
            "docker compose up -d",
        )
    dead = [each for each in facts.databases if each.answer is None]
    if dead:
        return DATABASE.problem(
            listing([f"DATABASE_URL={each.url}: {each.complaint}" for each in dead]),
            "Start PostgreSQL or correct DATABASE_URL; without it the headend stores in memory. With compose:",
            "docker compose up -d",
        )
    if facts.databases:
        return DATABASE.ok(listing([f"{e.answer['database']} answers" for e in facts.databases if e.answer]))
    stores = [
        each["detail"] for each in (readiness["checks"] if readiness else ()) if each["name"] == "store"
    ]
    if stores:
        return DATABASE.ok(f"the headend says of its store: {stores[0]}")
    return DATABASE.unchecked("DATABASE_URL is not set here, and no headend tells")


def _schema(facts: Facts) -> Finding:
    known = [each.answer for each in facts.databases if each.answer]
    if not known:
        return SCHEMA.unchecked(f"see {DATABASE.name!r}" if facts.databases else "no DATABASE_URL to look at")
    for answer in known:
        if not answer["known"]:
            return SCHEMA.problem(
                f"{answer['database']} was made by a newer or another version of this program "
                f"(revision {answer['schema_revision']}, this one knows {answer['newest_revision']})",
                "A headend of this version refuses it. Run the version that made it, or bring this one up to date:",
                "der --version",
            )
        if not answer["up_to_date"]:
            return SCHEMA.warning(
                f"{answer['database']} has revision {answer['schema_revision'] or 'none'}, the newest is "
                f"{answer['newest_revision']}",
                "A headend migrates it when it starts; beforehand:",
                "der db migrate",
            )
    return SCHEMA.ok(
        listing([f"{a['database']} has the newest revision, {a['schema_revision']}" for a in known])
    )


def _shared(facts: Facts) -> Finding:
    ours = facts.headend_process
    url = ours.setting("DATABASE_URL") if ours else None
    others = [
        each
        for each in facts.of("der_headend")
        if url and each is not ours and each.setting("DATABASE_URL") == url
    ]
    if others:
        return SHARED.problem(
            f"{listing([str(each) for each in (ours, *others)])} have the same DATABASE_URL",
            "Two headends on one database close each other's sessions. Stop one, or give it a database of its own:",
            *(f"kill {each.pid}" for each in others),
        )
    if facts.processes is None:
        return SHARED.unchecked("the processes of this machine cannot be seen")
    return SHARED.ok("no other headend on this machine has the same DATABASE_URL")
