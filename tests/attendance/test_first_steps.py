"""An empty clinic is led through its first steps, until all of them are taken."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from attendance.clinics import open_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.admin import desk
from tests.attendance.house import House

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return open_clinic(name="New clinic", zone="America/New_York", state="NY", by=Job("test"))


def steps(clinic: Clinic, role: Role = Role.ADMINISTRATOR) -> Panel | None:
    page: Any = desk(clinic, role).client.get(reverse("admin:index"))
    found = (one for one in page.context["panels"] if one.title.startswith("First steps"))
    return next(found, None)


def test_a_new_clinic_is_told_its_steps_in_their_order(clinic: Clinic) -> None:
    panel = steps(clinic)
    assert panel is not None
    assert panel.title == "First steps: 0 of 9 done"
    assert [row[0] for row in panel.rows][:3] == ["Programs", "Rooms", "Therapists"]
    assert "/admin/patients/program/add/" in panel.rows[0][2]


def test_a_step_that_is_taken_is_done(clinic: Clinic) -> None:
    f.ProgramFactory(clinic=clinic)
    f.LicenseFactory(therapist=f.TherapistFactory(clinic=clinic))
    f.RoomFactory(clinic=f.ClinicFactory())  # another clinic's room is none of this one
    panel = steps(clinic)
    assert panel is not None
    done = [row[0] for row in panel.rows if row[2] == "done"]
    assert done == ["Programs", "Therapists", "Their licenses"]


def test_each_step_leads_to_a_page_that_opens(clinic: Clinic) -> None:
    panel, client = steps(clinic), desk(clinic, Role.ADMINISTRATOR).client
    assert panel is not None
    links = [row[2].split('"')[1] for row in panel.rows]
    assert [client.get(link).status_code for link in links] == [200] * 9


def test_who_may_not_take_a_step_is_told_who_does(clinic: Clinic) -> None:
    panel = steps(clinic, Role.COORDINATOR)
    assert panel is not None
    assert [row[0] for row in panel.rows if row[2] == "an administrator does it"] == [
        "Programs", "Therapists", "Their licenses",
    ]  # fmt: skip
    assert steps(clinic, Role.THERAPIST) is None


def test_a_clinic_that_works_is_told_none() -> None:
    house = House()
    f.LicenseFactory(therapist=house.therapist)
    f.RoomFactory(clinic=house.clinic)
    assert steps(house.clinic) is not None
    house.patient()
    assert steps(house.clinic) is None
