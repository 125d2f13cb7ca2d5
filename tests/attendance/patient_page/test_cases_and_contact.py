"""Cases, outreach, contact and groups on the patient's page."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils.html import strip_tags

from attendance.models import OutreachAttempt
from iop_clinic.accounts.admin.panels import phone_link
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import GroupMembership
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import MON, SUN, TUE
from tests.attendance.patient_page.page import TODAY, case, panels


def test_open_cases_outreach_and_settled_ones_stand_apart(house, pat, coordinator):
    flag = case(house, pat)
    closed = {"state": "closed", "outcome": "resumed", "closed_at": house.at(SUN, "10:00")}
    old = case(house, pat, evidence_key="2026-03-04", **closed)
    OutreachAttempt.objects.create(
        clinic=house.clinic, flag=flag, episode=pat, method="call", result="no_answer",
        attempted_at=house.at(TODAY, "09:00"), attempted_by=coordinator.user,
    )  # fmt: skip
    found = panels(coordinator, pat)
    ((link, *told),) = found["Open cases"].rows
    assert (url(flag, "change") in link, told) == (
        True, ["Act today", "Open", "Coordinator", "Mon Mar 9, 5:00 PM EDT"],
    )  # fmt: skip
    assert found["Outreach"].rows[0][:4] == (
        "Mon Mar 9, 9:00 AM EDT", "Call", "No answer", coordinator.user,
    )  # fmt: skip
    settled = found["Settled cases"]
    assert (settled.folded, url(old, "change") in settled.rows[0][0]) == (True, True)


def test_whoever_sees_no_cases_is_told_of_none(house, pat):
    case(house, pat)
    front = desk(house.clinic, Role.FRONT_DESK)
    html = front.open(pat, "change").content.decode()
    assert ("Missed Monday" in html, "Open cases" in html) == (False, False)
    assert "Weeks" in panels(front, pat)


CHANNELS = ("Phone", "Voicemail", "Text message", "The clinic’s name")


def contact(at: Desk, row: Episode, **known: Any) -> dict[str, str]:
    for name, value in known.items():
        setattr(row.patient, name, value)
    row.patient.save()
    return dict(panels(at, row)["Contact"].facts)


def test_contact_says_what_the_patient_allowed(pat, coordinator):
    found = contact(
        coordinator, pat, phone="555-0100", phone_is_safe=True, may_leave_voicemail=True,
        may_say_clinic_name=False, may_text=False, best_time_to_call="after 4",
    )  # fmt: skip
    assert [found[name] for name in CHANNELS] == [
        f"{phone_link('555-0100')}, may be called",
        "may be left", "must not be sent", "must not be said",
    ]  # fmt: skip
    assert (found["Best time"], found["Email"]) == ("after 4", "none")


def test_an_unsafe_phone_takes_the_voicemail_with_it(pat, coordinator):
    found = contact(coordinator, pat, phone="555-0100", may_leave_voicemail=True)
    assert [found[name] for name in CHANNELS[:2]] == [
        "555-0100, not safe: must not be called", "must not be left",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("agreed", "said"), [(True, "the patient agreed"), (False, "not agreed, must not be called")]
)
def test_the_emergency_contact_is_called_only_if_agreed(pat, coordinator, agreed, said):
    found = contact(
        coordinator, pat, emergency_name="Dana", emergency_relation="sister",
        emergency_phone="555-0101", emergency_consent=agreed,
    )  # fmt: skip
    assert found["Emergency contact"] == f"Dana (sister), 555-0101: {said}"


@pytest.mark.parametrize(
    ("born", "phone", "said"),
    [
        (2012, "555-0102", "Sam (father), 555-0102: called in the patient’s place"),
        (2012, "", "Sam (father): without a number"),
        (1990, "555-0102", "Sam (father), 555-0102: the patient is of age"),
    ],
)
def test_a_guardian_is_called_for_a_minor(pat, coordinator, born, phone, said):
    known = {"guardian_name": "Sam", "guardian_relation": "father", "guardian_phone": phone}
    birth_date = datetime.date(born, 1, 1)
    found = contact(coordinator, pat, birth_date=birth_date, **known)["Guardian"]
    assert (strip_tags(found), "tel:" in found) == (said, "in the patient’s place" in said)


def test_after_a_death_nobody_is_called(pat, coordinator):
    found = contact(coordinator, pat, phone="555-0100", phone_is_safe=True, deceased_on=SUN)
    assert found == {"Contact": "The patient died on Mar 8, 2026. Nobody is called."}


def test_groups_that_have_ended_are_folded_away(house, pat, coordinator):
    before = f.GroupFactory(clinic=house.clinic)
    GroupMembership.objects.create(
        clinic=house.clinic, group=before, episode=pat, seat=3, starts_on=MON, ends_on=TUE
    )
    found = panels(coordinator, pat)
    assert [row[1:] for row in found["Groups"].rows] == [(1, "Mar 2, 2026", "open")]
    assert [row[1:] for row in found["Groups before"].rows] == [(3, "Mar 2, 2026", "Mar 3, 2026")]
    assert (found["Groups"].folded, found["Groups before"].folded) == (False, True)
