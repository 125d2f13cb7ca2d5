"""Reads that are put together once: the same answers, whatever the values, and no guessing."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, QuerySet, Value
from django.utils import timezone

from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.prepared import MOST_VALUES, prepared
from tests import factories as f

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    clinics: tuple[int, ...]
    name: str | None = None


def counted(make: Callable[..., QuerySet[Any]]) -> tuple[Any, list[tuple[Any, ...]]]:
    """The prepared read, and a line for each time its queryset was made: twice to be sure."""
    made: list[tuple[Any, ...]] = []

    def counting(*given: Any) -> QuerySet[Any]:
        made.append(given)
        return make(*given)

    return prepared(counting), made


def therapists(wanted: Wanted) -> QuerySet[Therapist]:
    rows = Therapist.objects.filter(clinic__in=wanted.clinics).order_by("pk")
    return rows if wanted.name is None else rows.filter(name=wanted.name)


def test_it_is_put_together_once_for_each_shape():
    one, other = f.TherapistFactory(name="Dana"), f.TherapistFactory(name="Kim")
    both = (one.clinic_id, other.clinic_id)
    read, made = counted(therapists)
    assert read(Wanted((one.clinic_id,))) == [one]
    assert read(Wanted((other.clinic_id,))) == [other]
    assert read(Wanted(both)) == [one, other]
    assert read(Wanted(both, "Kim")) == [other]
    assert read(Wanted(both, "Dana")) == [one]
    assert len(made) == 2 * 3


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (uuid.uuid4(), uuid.uuid4()),
        ("Riverside", "Oak Street"),
        (NOON, NOON + timedelta(microseconds=1)),
        (date(2026, 3, 2), date(2026, 3, 3)),
    ],
)
def test_each_kind_of_value_takes_its_place(value, other):
    clinic = f.ClinicFactory()
    read, made = counted(lambda a, b: Clinic.objects.alias(a=Value(a)).filter(a=b))
    assert read(value, value) == [clinic]
    assert read(other, value) == []
    assert read(other, other) == [clinic]
    assert len(made) == 2


def test_what_is_selected_along_and_annotated_comes_too():
    one, other = f.TherapistFactory(), f.TherapistFactory()

    @prepared
    def read(pk: int) -> QuerySet[Any]:
        return (
            Therapist.objects.filter(pk=pk)
            .select_related("clinic")
            .annotate(zone=F("clinic__zone"))
        )

    for row in (one, other):
        (found,) = read(row.pk)
        sent = connection.queries_log
        assert (found.clinic, found.zone) == (row.clinic, row.clinic.zone)
        assert connection.queries_log is sent


def test_rows_of_values():
    row = f.TherapistFactory(name="Dana")
    named = prepared(lambda pk: Therapist.objects.filter(pk=pk).values("name"))
    listed = prepared(lambda pk: Therapist.objects.filter(pk=pk).values_list("pk", "name"))
    assert (named(row.pk), listed(row.pk)) == ([{"name": "Dana"}], [(row.pk, "Dana")])


def test_nothing_asked_for_is_not_remembered():
    row = f.TherapistFactory()
    read, made = counted(therapists)
    assert [read(Wanted(())), read(Wanted(()))] == [[], []]
    assert read(Wanted((row.clinic_id,))) == [row]
    assert len(made) > 1


def test_a_read_of_many_is_made_anew():
    row = f.TherapistFactory()
    read, made = counted(therapists)
    many = (row.clinic_id, *range(10**9, 10**9 + MOST_VALUES))
    assert [read(Wanted(many)), read(Wanted(many))] == [[row], [row]]
    assert [given[0].clinics for given in made] == [many, many]


@pytest.mark.parametrize(
    "make",
    [
        lambda pk: User.objects.filter(pk=pk, last_login=timezone.now()),
        lambda pk: Clinic.objects.filter(pk=pk + 1),
        lambda pk: Clinic.objects.order_by("pk")[:pk],
        lambda pk: Clinic.objects.filter(name__startswith=f"{pk}"),
    ],
)
def test_what_would_stay_the_same_is_refused(make):
    with pytest.raises((TypeError, ValueError)):
        prepared(make)(1)


@pytest.mark.parametrize(
    "make",
    [
        lambda text, _day: Clinic.objects.filter(name__icontains=text),
        lambda _text, day: Therapist.objects.filter(
            licenses__expires_on__lt=day - timedelta(days=1)
        ),
    ],
)
def test_what_python_makes_of_an_argument_is_refused(make):
    with pytest.raises(TypeError):
        prepared(make)("Oak", date(2026, 3, 2))


@pytest.mark.django_db(transaction=True)
def test_threads_share_a_read_and_each_asks_by_its_own_connection():
    clinics = [f.ClinicFactory() for _ in range(8)]
    read = prepared(lambda pk: Clinic.objects.filter(pk=pk))

    def ask(clinic: Clinic) -> bool:
        try:
            return all(read(clinic.pk) == [clinic] for _ in range(20))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, clinics)) == [True] * 8


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: Clinic.objects.filter(pk=a - b),
        lambda a, _b: Clinic.objects.filter(pk=a % 60),
        lambda a, _b: Clinic.objects.filter(pk=a // 10**6),
        lambda a, b: Clinic.objects.filter(pk=a if a > 5 else b),
        lambda a, b: Clinic.objects.filter(pk=max(a, b)),
        lambda a, _b: Clinic.objects.all() if a > 5 else Clinic.objects.filter(pk=a),
    ],
)
def test_arithmetic_on_arguments_is_refused(make):
    with pytest.raises(TypeError):
        prepared(make)(3, 4)
