"""Who may open which page of the site: every address of the URL resolver, every role, both clinics.

What is expected stands in admin_access.py, written by hand; a page that is missing there fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.db.models import ForeignKey, Model
from django.urls import reverse

from attendance.models import Flag
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from tests.api import contents
from tests.pages import Page, pages
from tests.project.access import MAY
from tests.project.admin_access import (
    DENIED,
    ELSEWHERE,
    LOGIN,
    OTHERS,
    TABLES,
    UNSEEN,
    Cast,
    Person,
    build,
    expected,
)

pytestmark = pytest.mark.django_db

PAGES = [page for page in pages() if page.name not in ELSEWHERE]
REFUSED = {LOGIN, DENIED, UNSEEN}
STAYS = {"admin:logout", "roster:change-over"}
"""Not posted: whoever is asked next would have gone."""
OF_THE_NEWEST = {"weekly"}
DEAD = ["auditor past the date", "deactivated", "superuser of no clinic", "nobody"]
LIVING = [*MAY, "another clinic's", "in two clinics"]


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    """Built once for the file, in a transaction that is never committed."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield build()
        transaction.set_rollback(True)


@pytest.fixture
def untouched(cast: Cast) -> Iterator[None]:
    """What is denied leaves no trace, not even a note that somebody read."""
    before = contents(reads=False)
    yield
    assert contents(reads=False) == before


def test_every_page_is_expected() -> None:
    """Of tables, their verbs, and what belongs to no table: no more and no less than there is."""
    own = {"changelist", "add", "change", "delete", "history"}
    found = {page.name for page in PAGES}
    tables = {f"admin:{table}_{verb}" for table in TABLES for verb in own | {*TABLES[table].verbs}}
    assert found == tables | OTHERS.keys()
    assert [page for page in admin.site._registry.values() if _is_foreign(page)] == []


def _is_foreign(page: Any) -> bool:
    """Bulk actions would be doors without a page: there are none."""
    return not isinstance(page, ClinicModelAdmin) or bool(page.actions)


def asked(person: Person, cast: Cast, method: str) -> Iterator[tuple[Page, str, int, str]]:
    """Every page of everybody's rows: the address, what is expected, whose row it is.

    To whoever has no role all rows are equally foreign: of Alice's alone. Bob's differ from hers
    only to a therapist.
    """
    needed = {"alice"} | ({"carol"} if person.role else set())
    needed |= {"bob"} if person.role == "therapist" else set()
    for page in PAGES:
        for whose, party in cast.parties.items():
            if whose == "alice" or (page.of_a_row and whose in needed):
                yield page, party.address(page), expected(person, page, party, method), whose


@pytest.mark.parametrize("who", LIVING)
def test_what_is_denied_is_denied_and_leaves_no_trace(
    who: str, cast: Cast, untouched: None
) -> None:
    person, wrong = cast.people[who], []
    for method in ("GET", "POST"):
        for page, address, status, whose in asked(person, cast, method):
            if status in REFUSED - {LOGIN}:
                answer = person.client.generic(method, address)
                if answer.status_code != status:
                    wrong.append((method, page.name, whose, answer.status_code, status))
    assert wrong == []


@pytest.mark.parametrize("who", DEAD)
@pytest.mark.usefixtures("untouched")
def test_whoever_has_no_role_is_led_to_the_sign_in(who: str, cast: Cast) -> None:
    person, found = cast.people[who], Counter[str]()
    for method in ("GET", "POST"):
        for page, address, status, _ in asked(person, cast, method):
            if status == LOGIN and page.name not in STAYS:
                answer = person.client.generic(method, address)
                led = answer.get("Location", "").startswith(reverse("admin:login"))
                found["led" if answer.status_code == LOGIN and led else page.name] += 1
    assert found.keys() == {"led"}


@pytest.mark.parametrize("who", LIVING)
def test_what_is_allowed_opens_and_tells_of_nobody_elses(who: str, cast: Cast) -> None:
    """Lists, filters, forms and their choices: no name of a row that this person does not see."""
    person = cast.people[who]
    wrong: list[tuple[Any, ...]] = []
    secrets = person.secrets(cast.parties)
    for page, address, status, _ in asked(person, cast, "GET"):
        if status not in REFUSED or page.last in OF_THE_NEWEST:
            answer = person.client.get(address)
            said = answer.content.decode(errors="replace")
            told = sorted(secret for secret in secrets if secret in said)
            if answer.status_code != status or told:
                wrong.append((page.name, answer.status_code, status, told))
            wrong += [(page.name, *one) for one in strange_choices(answer, person, cast)]
    assert wrong == []


def strange_choices(answer: Any, person: Person, cast: Cast) -> Iterator[tuple[str, str]]:
    """The fields of a form that would take a row which this person does not see."""
    context = answer.context or {}
    form = context["adminform"].form if "adminform" in context else context.get("form")
    for name, one in getattr(form, "fields", {}).items():
        rows: Any = getattr(one, "queryset", None)
        for whose, party in cast.parties.items():
            row = party.rows.get(rows.model) if rows is not None else None
            if row is None or _sees_row(person, party, row):
                continue
            if rows.filter(pk=row.pk).exists():
                yield name, whose


def _sees_row(person: Person, party: Any, row: Model) -> bool:
    if row == person.also:
        return True
    table = TABLES.get(f"{row._meta.app_label}_{row._meta.model_name}")
    return person.sees(party, table.whose if table else "clinic")


# --- search boxes --------------------------------------------------------------------------------


def search_boxes() -> Iterator[tuple[type[Model], dict[str, str]]]:
    """For each table that can be searched, the first foreign key that leads there.

    Django answers for any key, whether a form has a search box for it or not.
    """
    found: dict[type[Model], dict[str, str]] = {}
    for model in admin.site._registry:
        for key in model._meta.concrete_fields:
            to: Any = key.remote_field.model if isinstance(key, ForeignKey) else None
            if to in admin.site._registry and admin.site._registry[to].search_fields:
                owner = {
                    "app_label": model._meta.app_label,
                    "model_name": str(model._meta.model_name),
                }
                found.setdefault(to, {**owner, "field_name": key.name})
    yield from found.items()


@pytest.mark.parametrize("who", LIVING)
def test_search_boxes_offer_what_is_visible_and_nothing_else(who: str, cast: Cast) -> None:
    person = cast.people[who]
    wrong: list[tuple[Any, ...]] = []
    for model, box in search_boxes():
        table = TABLES[f"{model._meta.app_label}_{model._meta.model_name}"]
        answer = person.client.post(reverse("admin:autocomplete"), {**box, "term": ""})
        if not person.may(table.view):
            wrong += [] if answer.status_code == DENIED else [(model, answer.status_code)]
            continue
        offered = {row["id"] for row in answer.json()["results"]}
        for whose, party in cast.parties.items():
            sees = person.sees(party, table.whose)
            if (str(party.rows[model].pk) in offered) != sees:
                wrong.append((model, whose))
    assert wrong == []


def test_a_nul_in_a_search_box_finds_nothing(cast: Cast) -> None:
    client = cast.people["coordinator"].client
    for _, box in search_boxes():
        answer = client.post(reverse("admin:autocomplete"), {**box, "term": "\0"})
        assert answer.status_code == DENIED or answer.json()["results"] == [], box


# --- history -------------------------------------------------------------------------------------


def test_old_values_that_are_lists_and_mappings_are_told(cast: Cast) -> None:
    """Such as those of a credit rule or a case."""
    flag = cast.parties["alice"].rows[Flag]
    flag.evidence = {"dates": ["2026-03-02"], "minutes": 0}
    flag.save()
    address = reverse("admin:attendance_flag_history", args=[flag.pk])
    html = cast.people["administrator"].client.get(address).content.decode()
    assert "dates: 2026-03-02; minutes: 0" in html
