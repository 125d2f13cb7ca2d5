"""A correction of last month: what was mailed stays, and the next night says that it is amended."""

import datetime

import pytest
import time_machine

from attendance.models import AttendanceRecord, NightlyRun, ReportDelivery, WeekResult
from attendance.records.services import correct
from attendance.reports import delivery, due_nights, nightly
from attendance.reports.mail import compose
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.admin import Desk
from tests.attendance.house import FRI, MON, SUN, WED, House
from tests.attendance.nights import run_row

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
CORRECTED = MON + 28 * DAY  # a Monday, four weeks later


@pytest.fixture
def house(smtp_sink):
    """Two patients; one missed Friday and fell short. The week was judged, told and mailed."""
    house = House()
    factories.staff(house.clinic, Role.COORDINATOR)
    ann, ben = house.patient(), house.patient(seat=2)
    for day in (MON, WED, FRI):
        house.day(day, [ann, ben])
        house.came(ann, day)
        house.came(ben, day)
    house.missed(ben, FRI)
    told(house, SUN)
    return house


def told(house, day):
    """The night of a local date, at five the next morning, and its mails."""
    with time_machine.travel(house.morning(day), tick=False):
        before = day - DAY
        if not NightlyRun.objects.filter(local_date=before).exists():
            run_row(due_nights.Night(house.clinic.pk, before))
        nightly.run_nights([due_nights.Night(house.clinic.pk, day)])
        for row in ReportDelivery.objects.filter(state="pending").order_by("pk"):
            delivery.deliver(row.pk)


def he_was_there(house):
    """At nine on a Monday four weeks later somebody finds Ben's Friday on the paper sheet."""
    record = AttendanceRecord.objects.get(attended=False)
    with time_machine.travel(house.at(CORRECTED, "09:00"), tick=False):
        correct(
            booking=record.booking, changes={"attended": True}, version=record.version,
            correction_reason="On the paper sheet.", by=house.user,
        )  # fmt: skip


def mails(sink, subject):
    return [
        message.get_body(("plain",)).get_content()
        for message in sink.messages
        if message["Subject"].startswith(subject)
    ]


def test_the_next_night_says_what_was_amended_and_the_old_mails_stay(house, smtp_sink):
    sent = [(row, compose(row).body) for row in ReportDelivery.objects.filter(state="sent")]
    assert len(sent) == 4  # the night's and the week's, to coordinator and therapist
    told(house, CORRECTED - DAY)
    smtp_sink.reset()
    he_was_there(house)
    assert list(WeekResult.objects.filter(amendment=1).values_list("minutes_status", "void")) == [
        ("met", False)
    ]
    told(house, CORRECTED)
    said = "1 result of earlier weeks was amended since the last report."
    assert [said in text for text in mails(smtp_sink, "Nightly report")] == [True, True]
    for row, body in sent:
        row.refresh_from_db()
        assert compose(row).body == body
    told(house, CORRECTED + DAY)
    assert [said in text for text in mails(smtp_sink, "Nightly report")] == [True] * 2 + [False] * 2


def test_its_link_leads_to_the_result(house, smtp_sink):
    told(house, CORRECTED - DAY)
    he_was_there(house)
    smtp_sink.reset()
    told(house, CORRECTED)
    [text, _] = mails(smtp_sink, "Nightly report")
    [link] = [line.strip() for line in text.splitlines() if "weekresult" in line]
    with time_machine.travel(house.morning(CORRECTED), tick=False):
        page = Desk(house.user).client.get("/" + link.split("/", 3)[3])
    assert [row.amendment for row in page.context["cl"].result_list] == [1]


def test_a_result_taken_back_is_amended_too(house, smtp_sink):
    told(house, CORRECTED - DAY)
    result = WeekResult.objects.filter(minutes_status="met").get()
    result.pk, result.amendment, result.void = None, 1, True
    result.judged_at = house.at(CORRECTED, "09:00")
    result.save()
    smtp_sink.reset()
    told(house, CORRECTED)
    for text in mails(smtp_sink, "Nightly report"):
        assert "1 result of earlier weeks was amended since the last report." in text


def test_a_result_amended_twice_in_a_day_is_one(house, smtp_sink):
    told(house, CORRECTED - DAY)
    he_was_there(house)
    result = WeekResult.objects.get(amendment=1)
    result.pk, result.amendment = None, 2
    result.judged_at = house.at(CORRECTED, "11:00")
    result.save()
    smtp_sink.reset()
    told(house, CORRECTED)
    [text, _] = mails(smtp_sink, "Nightly report")
    assert "1 result of earlier weeks was amended" in text
