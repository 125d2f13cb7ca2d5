"""Every named rule of this floor, broken by raw SQL."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iop_clinic.accounts.models import AuditEvent, CalendarLink, IdempotencyKey
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.breaking import delete, drop, insert_copy, named_constraints, refused_by, update


@pytest.fixture
def rows(db) -> SimpleNamespace:
    license_ = factories.LicenseFactory(therapist__clinic__name="North")
    therapist, clinic = license_.therapist, license_.therapist.clinic
    user = factories.staff(clinic, Role.THERAPIST, therapist=therapist)
    membership = user.memberships.get()
    return SimpleNamespace(
        clinic=clinic,
        license=license_,
        user=user,
        other=factories.UserFactory(),
        membership=membership,
        link=CalendarLink.objects.create(clinic=clinic, membership=membership, digest="d"),
        event=AuditEvent.objects.first(),
        key=IdempotencyKey.objects.create(user=user, route="/", key="k", body_hash="h"),
    )


CASES: dict[str, Callable[[Any], None]] = {
    "clinic_nightly_outside_clock_changes": lambda r: update(r.clinic, nightly_at="02:00"),
    "clinic_adult_at_18_to_21": lambda r: update(r.clinic, adult_at=17),
    "clinic_closes_after_opening": lambda r: update(r.clinic, closes_at="08:00"),
    "clinic_week_starts_on_a_weekday": lambda r: update(r.clinic, week_starts_on=7),
    "user_email_unique": lambda r: insert_copy(r.user, email=r.user.email.upper()),
    "membership_one_per_person_and_clinic": lambda r: insert_copy(
        r.membership, role="coordinator", therapist_id=None
    ),
    "membership_one_per_therapist": lambda r: insert_copy(r.membership, user_id=r.other.pk),
    "membership_role_known": lambda r: update(r.membership, role="owner"),
    "membership_auditor_until_a_date": lambda r: update(r.membership, role="auditor"),
    "membership_therapist_role_names_therapist": lambda r: update(r.membership, therapist_id=None),
    "license_unique": lambda r: insert_copy(
        r.license, expires_on=r.license.expires_on + datetime.timedelta(1)
    ),
    "calendarlink_one_per_membership": lambda r: insert_copy(r.link, digest="e"),
    "auditevent_append_only": lambda r: update(r.event, actor="nobody"),
    "idempotency_key_unique": lambda r: insert_copy(r.key, status=201),
}


@pytest.mark.parametrize("name", CASES)
def test_raw_sql_is_refused_by_the_constraint(name, rows):
    assert refused_by(lambda: CASES[name](rows)) == name


@pytest.mark.parametrize("name", CASES)
def test_without_the_constraint_it_goes_through(name, rows):
    drop(name)
    assert refused_by(lambda: CASES[name](rows)) is None


def test_every_named_constraint_has_a_case():
    assert set(CASES) == named_constraints("accounts")


def test_an_audit_event_is_not_deleted_either(rows):
    assert refused_by(lambda: delete(rows.event)) == "auditevent_append_only"
    assert AuditEvent.objects.filter(pk=rows.event.pk).exists()
