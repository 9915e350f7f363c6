"""Alembic's hook: renders migrations as SQL, which ``runner`` sends. Alembic itself never connects."""

from alembic import context

context.configure(
    dialect_name="postgresql",
    output_buffer=context.config.output_buffer,
    as_sql=True,
    version_table="schema_version",
    version_table_schema="public",
    transactional_ddl=False,  # the runner wraps all of it in one transaction, together with its lock
)
context.run_migrations()
