"""Whether anything was written: a refusal leaves the database as it was, to the letter."""

from django.apps import apps
from django.db import connection

# A session lives as long as a browser; who signs in is not what these tests ask.
NOT_OURS = {"django_session", "django_migrations"}


def contents() -> dict[str, str]:
    """A digest of each table's rows, by table. For small databases: it reads everything."""
    tables = sorted({model._meta.db_table for model in apps.get_models()} - NOT_OURS)
    query = " UNION ALL ".join(
        f"SELECT '{table}', coalesce(md5(string_agg(row::text, '|' ORDER BY row::text)), '') FROM {table} row"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())
