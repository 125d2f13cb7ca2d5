"""Therapists at one glance: caseload against its limit, licenses, time off, the hours they lead."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import AbsenceRule
from iop_clinic.accounts.admin.panels import link, page_url
from iop_clinic.accounts.models import AuditEvent, Therapist
from iop_clinic.accounts.roles import Role
from scheduling.models import TimeOff
from scheduling.services import add_time_off
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import BEFORE, FRI, MON, House
from tests.lists import cells, lines, panels


def cell(at: Desk, house: House, name: str) -> str:
    return next(row[name] for row in cells(at, Therapist) if row["name"] == house.therapist.name)


def away(house: House, first: str, last: str) -> TimeOff:
    return TimeOff.objects.create(
        clinic=house.clinic, therapist=house.therapist, reason="Leave",
        starts_at=house.at(first, "08:00"), ends_at=house.at(last, "18:00"),
    )  # fmt: skip


# --- the list ---------------------------------------------------------------------------------


def test_the_list_says_what_a_therapist_carries_and_leads(house, coordinator):
    house.patient()
    f.EpisodeFactory(patient__clinic=house.clinic, primary_therapist=house.therapist)
    f.LicenseFactory(therapist=house.therapist)
    assert [cell(coordinator, house, name) for name in ("caseload", "leads", "time_off")] == [
        "1 of 24", "9 h", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "clinics", "said"),
    [(5, 24, "1 of 5"), (24, 3, "1 of 3"), (0, 24, "1 of 0, over the limit")],
)
def test_the_lower_of_both_limits_holds(house, coordinator, own, clinics, said):
    AbsenceRule.objects.filter(clinic=house.clinic, kind=22).update(times=clinics)
    Therapist.objects.filter(pk=house.therapist.pk).update(max_caseload=own)
    house.patient()
    assert cell(coordinator, house, "caseload") == said


def test_a_rule_that_has_ended_limits_nobody(house, coordinator):
    AbsenceRule.objects.filter(clinic=house.clinic, kind=22).update(times=3, ends_on=MON)
    assert cell(coordinator, house, "caseload") == "0 of 24"


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ([], "none entered"),
        (["2030-12-31"], "LCSW NY, until Dec 31, 2030"),
        (["2030-12-31", "2026-03-10"], "LCSW NY, until Dec 31, 2030, and 1 more"),
        (["2026-04-03"], "LCSW NY, until Apr 3, 2026: 30 days left"),
        (["2026-04-04"], "LCSW NY, until Apr 4, 2026"),
        (["2026-03-05"], "LCSW NY, until Mar 5, 2026: 1 day left"),
        (["2026-03-03"], "LCSW NY ended on Mar 3, 2026"),
    ],
)
def test_the_license_that_is_valid_longest_is_told(house, coordinator, dates, said):
    house.therapist.licenses.all().delete()
    for day in dates:
        f.LicenseFactory(therapist=house.therapist, expires_on=datetime.date.fromisoformat(day))
    assert cell(coordinator, house, "licenses") == said


def test_the_page_says_how_long_each_license_lasts(house, coordinator):
    for day in (MON, FRI):
        f.LicenseFactory(therapist=house.therapist, expires_on=day)
    licenses = lines(panels(coordinator, house.therapist)["Licenses"])
    assert [row[2] for row in licenses] == ["Mar 2, 2026 ended", "Mar 6, 2026, 2 days left"]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-03-03", "2026-03-04", "now, until 6:00 PM"),
        ("2026-03-03", "2026-03-05", "now, until Thu Mar 5, 6:00 PM"),
        ("2026-03-06", "2026-03-06", "Fri Mar 6, 8:00 AM – 6:00 PM"),
        ("2026-03-02", "2026-03-03", ""),
    ],
)
def test_time_off_is_told_now_and_ahead(house, coordinator, first, last, said):
    away(house, first, last)
    assert cell(coordinator, house, "time_off") == said


def test_a_block_of_every_second_week_counts_half(house, coordinator):
    house.group.blocks.filter(weekday=4).update(every_weeks=2)
    house.group.blocks.filter(weekday=0).update(valid_until=BEFORE)
    assert cell(coordinator, house, "leads") == "4 h 30"


def test_a_therapist_is_told_of_nobody_elses_caseload(house):
    other = f.staff(house.clinic, Role.THERAPIST)
    house.patient()
    assert [cell(Desk(other), house, name) for name in ("caseload", "leads")] == ["", ""]
    assert cell(Desk(house.user), house, "caseload") == "1 of 24"


# --- the page ---------------------------------------------------------------------------------


def test_the_page_lists_caseload_and_week_with_links(house, coordinator):
    pat = house.patient()
    found = panels(coordinator, house.therapist)
    caseload = found["Caseload: 1 of 24"]
    assert caseload.rows[0][0] == link(pat, pat.patient)
    assert lines(caseload)[0][2:] == ("1 of 12, since Mar 2, 2026", "Admitted")
    rule = AbsenceRule.objects.get(clinic=house.clinic, kind=22)
    assert link(rule) in caseload.note
    assert lines(found["Leads 9 h a week"]) == [
        (house.group.name, "Mon Wed Fri 9:00 AM – 12:20 PM", "none", "9 h")
    ]


def test_an_own_limit_is_said_to_be_theirs(house, coordinator):
    Therapist.objects.filter(pk=house.therapist.pk).update(max_caseload=5)
    panel = panels(coordinator, house.therapist)["Caseload: 0 of 5"]
    assert panel.note == "The limit is this therapist’s own, on the form below."


def test_sessions_that_need_cover_lead_to_a_substitute(house, coordinator):
    session = house.day(FRI, [], therapist=house.therapist)
    add_time_off(
        therapist=house.therapist, starts_at=house.at(FRI, "08:00"),
        ends_at=house.at(FRI, "18:00"), by=coordinator.user,
    )  # fmt: skip
    panel = panels(coordinator, house.therapist)["Sessions that need cover"]
    ((*_, trouble, step),) = lines(panel)
    assert trouble == f"No leader: {house.therapist.name} has time off"
    assert step == "Find a substitute"
    assert url(session, "substitute") in panel.rows[0][-1]
    assert panels(coordinator, house.therapist)["Next sessions"].rows == []


def test_who_may_not_plan_is_shown_no_substitute(house):
    house.day(FRI, [], therapist=house.therapist, needs_attention="No room")
    panel = panels(desk(house.clinic, Role.AUDITOR), house.therapist)["Sessions that need cover"]
    assert list(panel.headers)[-1] == "To look at"


def test_time_off_is_entered_from_the_page(house, coordinator):
    address = f"{url(TimeOff, 'new')}?therapist={house.therapist.pk}"
    assert f'href="{address}"' in panels(coordinator, house.therapist)["Time off"].note
    form = coordinator.client.get(address).context["form"]
    assert form["therapist"].value() == str(house.therapist.pk)
    assert panels(Desk(house.user), house.therapist)["Time off"].note == ""


def test_a_colleagues_page_shows_time_off_licenses_and_what_follows_alone(house):
    house.patient()
    other = Desk(f.staff(house.clinic, Role.THERAPIST))
    assert list(panels(other, house.therapist)) == ["Time off", "May lead", "Licenses"]


def test_the_page_is_a_noted_read(house, coordinator):
    coordinator.open(house.therapist, "change")
    read = AuditEvent.objects.get(operation="R", actor=coordinator.user.actor)
    assert (read.table_name, read.row_id) == ("accounts_therapist", house.therapist.pk)


# --- statements -------------------------------------------------------------------------------


def statements(at: Desk, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.client.get(address).status_code == 200
    return len(captured)


def fill(house: House, count: int) -> None:
    for number in range(count):
        house.patient(seat=None)
        f.LicenseFactory(therapist=house.therapist)
        away(house, f"2026-04-{number + 1:02}", f"2026-04-{number + 1:02}")
        day, hour = FRI + datetime.timedelta(days=7 * (number // 4)), 9 + number % 4
        house.day(
            day, [], f"{hour:02}:00", f"{hour:02}:50", therapist=house.therapist,
            needs_attention="No room",
        )  # fmt: skip


def test_list_and_page_take_as_many_statements_for_one_row_as_for_many(house, coordinator):
    fill(house, 1)
    pages = [page_url(house.therapist), url(Therapist)]
    before = [statements(coordinator, page) for page in pages]
    other = House()
    fill(other, 12)
    at = desk(other.clinic)
    pages = [page_url(other.therapist), url(Therapist)]
    assert [statements(at, page) for page in pages] == before == [19, 11]
