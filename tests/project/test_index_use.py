"""Every statement finds its rows by an index: with a thousand clinics none reads a whole table.

PostgreSQL is told to avoid reading tables whole (`enable_seqscan`), so where a plan does, there is
no index to use; an index that is read without a condition is no better.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from attendance.compliance.evaluation import evaluate_clinics
from attendance.exports.kinds import SOURCES, WHOLE
from attendance.reports.health import jobs_health
from scheduling.services import expand
from tests.attendance.house import JOB, THU
from tests.attendance.short_weeks import ShortWeek
from tests.pages import pages
from tests.project.admin_access import ELSEWHERE, build, expected
from tests.project.api_story import NOW, Story
from tests.project.world import DAY

pytestmark = pytest.mark.django_db

READS = ("SELECT", "(SELECT", "UPDATE", "DELETE")
SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@pytest.fixture(scope="module", autouse=True)
def _small_tables(django_db_setup: None, django_db_blocker: Any) -> None:
    """What earlier tests wrote is gone, but its pages are not: the planner takes those of a table
    for rows, and reads a small index whole rather than one with many pages by its key."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        [(tables,)] = cursor.fetchall()
        cursor.execute(f"VACUUM (FULL) {tables}")


class Statements:
    """What was sent, with what, once each."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(READS) and "set_config" not in sql:
            self.sent.setdefault(sql, params)
        return execute(sql, params, many, context)

    def scans(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each statement with each table or index that its plan reads."""
        with connection.cursor() as cursor:
            for sql, params in self.sent.items():
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                for node in _nodes(cursor.fetchone()[0][0]["Plan"]):
                    if node["Node Type"] in SCANS:
                        yield sql, node


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def avoid_whole_tables() -> None:
    """Exclusion constraints go: among few rows their indexes are cheaper to read than any other."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered before its triggers
        cursor.execute("SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'x'")
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        # As new: of a table that is known to have three rows any index is as good as another.
        cursor.execute(
            "SELECT pg_clear_relation_stats('public', relname) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
        )


def read_whole(statements: Statements) -> list[str]:
    avoid_whole_tables()
    return sorted(
        f"{node.get('Relation Name') or node.get('Index Name')}: {node.get('Filter')} in {sql}"
        for sql, node in statements.scans()
        if "Index Cond" not in node
    )


def test_no_call_of_the_api_reads_a_whole_table(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    story, statements = Story(), Statements()
    with connection.execute_wrapper(statements):
        story.tell()
    assert read_whole(statements) == []


def test_no_night_reads_a_whole_table() -> None:
    week, statements = ShortWeek(), Statements()
    with connection.execute_wrapper(statements):
        expand(clinic=week.clinic, today=THU, by=JOB)
        for since in (None, week.now):
            evaluate_clinics(
                since={week.clinic.pk: since},
                local_date=THU,
                by=JOB,
                now=week.house.morning(THU),
            )
    assert read_whole(statements) == []


@pytest.mark.parametrize("who", ["administrator", "therapist"])
def test_no_page_reads_a_whole_table(who: str) -> None:
    cast, statements = build(), Statements()
    person, alice = cast.people[who], cast.parties["alice"]
    with connection.execute_wrapper(statements):
        for page in pages():
            if page.name not in ELSEWHERE and expected(person, page, alice, "GET") == 200:
                b"".join(person.client.get(alice.address(page)))
    assert len(statements.sent) > 100
    assert read_whole(without_the_jobs(statements)) == []


def without_the_jobs(statements: Statements) -> Statements:
    """How the nights of the installation are is asked of all its clinics."""
    asked, left = Statements(), Statements()
    with connection.execute_wrapper(asked):
        jobs_health(now=timezone.now())
    left.sent = {sql: given for sql, given in statements.sent.items() if sql not in asked.sent}
    return left


def test_no_export_reads_a_whole_table() -> None:
    cast, statements = build(), Statements()
    client = cast.people["administrator"].client
    dates = {"first": DAY.isoformat(), "last": DAY.isoformat()}
    with connection.execute_wrapper(statements):
        for kind in (*SOURCES, WHOLE):
            answer = client.post(
                reverse("admin:accounts_clinic_export"), {"kind": kind, "as": "csv", **dates}
            )
            assert answer["Content-Disposition"], kind
            b"".join(answer)
    assert read_whole(statements) == []
