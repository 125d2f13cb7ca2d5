"""Every page takes the same statements whether little or much hangs on the row it shows.

The pages are those of the URL resolver, and whoever asks is expected to be let in by the table of
the access matrix: a page that is new is asked for as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.api import AFTER
from tests.pages import pages
from tests.project.admin_access import ELSEWHERE, Cast, build, expected
from tests.project.crowd import crowd, one_to_come

pytestmark = pytest.mark.django_db

OPENED = ("administrator", "therapist")
LEFT_OUT = ELSEWHERE | {"admin:login", "admin:logout"}
Counts = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def grown(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Counts, Counts]]:
    """The statements of each page of each person, with little and with much on Alice's rows."""
    with (
        django_db_blocker.unblock(),
        time_machine.travel(AFTER, tick=False),
        transaction.atomic(),
    ):
        cast = build()
        one_to_come(cast.parties["alice"])
        dict(_counted(cast, OPENED[0]))  # what is looked up once for the process
        before = counts(cast)
        crowd(cast.parties["alice"])
        yield before, counts(cast)
        transaction.set_rollback(True)


def counts(cast: Cast) -> Counts:
    return {who: dict(_counted(cast, who)) for who in OPENED}


def _counted(cast: Cast, who: str) -> Iterator[tuple[str, int]]:
    person, alice = cast.people[who], cast.parties["alice"]
    for page in pages():
        if page.name in LEFT_OUT or expected(person, page, alice, "GET") != 200:
            continue
        with CaptureQueriesContext(connection) as captured:
            answer = person.client.get(alice.address(page))
            b"".join(answer)
        assert answer.status_code == 200, page
        yield page.name, len(captured)


@pytest.mark.parametrize("who", OPENED)
def test_no_page_takes_more_statements_where_more_is_shown(
    who: str, grown: tuple[Counts, Counts]
) -> None:
    before, after = (one[who] for one in grown)
    assert len(before) > 100
    assert {name: (few, after[name]) for name, few in before.items() if few != after[name]} == {}
