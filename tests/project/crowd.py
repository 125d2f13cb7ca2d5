"""Much hangs on the rows of a party: what a clinic has after months, around the same rows.

    crowd(party)        # its group is full, its patient has fifty dates, its case fifty calls

Rows are copied, not made by the services: a page must hold its statements whatever it is shown.
"""

from __future__ import annotations

import copy
import datetime
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone

from attendance import models as attendance
from iop_clinic.accounts import models as accounts
from patients import models as patients
from scheduling import models as scheduling
from tests import factories
from tests.project.admin_access import Party
from tests.project.world import DAY

M = TypeVar("M", bound=Model)
MANY = 49
SEATS = 12
SOME = 9
"""What nobody has fifty of: plans, licenses, certifications."""
STEP = datetime.timedelta(days=1)
DATES = [n * STEP for n in range(-24, 26) if n]


def more(row: M, count: int, /, **differ: Any) -> list[M]:
    """So many copies of a row; `differ` names the columns that are not the same in them: a value,
    or a function of 1, 2, 3 …
    """
    rows = []
    for n in range(1, count + 1):
        one: Any = copy.copy(row)
        one.pk, one._state = None, copy.copy(one._state)
        one._state.adding = True
        if hasattr(one, "public_id"):
            one.public_id = uuid.uuid4()
        for name, value in differ.items():
            setattr(one, name, value(n) if callable(value) else value)
        rows.append(one)
    return type(row)._default_manager.bulk_create(rows)


def one_to_come(party: Party) -> None:
    """A session that is not over, with the patient on its list: one of what there is many of."""
    rows = party.rows
    sessions = _dates(party, [30 * STEP])
    _in(sessions, rows[scheduling.SessionStaff])
    _in(sessions, rows[scheduling.Booking], call_in=None)


def crowd(party: Party) -> None:
    members = _members(party)
    sessions = _sessions(party)
    _bookings(party, sessions, members)
    _papers(party)
    _cases(party)
    _reports(party)
    _people(party)
    _week(party)


def _members(party: Party) -> list[Any]:
    """The group and its one session are full; the rest of the caseload waits for a seat."""
    rows = party.rows
    group, session = rows[scheduling.Group], rows[scheduling.Session]
    same = {"program": group.program, "primary_therapist": rows[accounts.Therapist]}
    episodes = [factories.admitted(party.clinic, on=DAY, **same) for _ in range(1, SEATS)]
    found = more(
        rows[scheduling.GroupMembership], len(episodes),
        episode=lambda n: episodes[n - 1], seat=lambda n: n + 1,
    )  # fmt: skip
    for member in found:
        factories.booking(session, member.episode, member.seat, membership=member)
    waiting = [factories.admitted(party.clinic, on=DAY, **same) for _ in range(SOME)]
    more(rows[scheduling.WaitlistEntry], SOME, episode=lambda n: waiting[n - 1])
    more(rows[scheduling.WaitlistOffer], SOME)
    more(rows[scheduling.WaitlistStep], SOME)
    return found


def _sessions(party: Party) -> list[scheduling.Session]:
    """Fifty dates of the group, some long ago and some to come, each led."""
    sessions = _dates(party, DATES)
    _in(sessions, party.rows[scheduling.SessionStaff])
    return sessions


def _dates(
    party: Party, apart: list[datetime.timedelta], **differ: Any
) -> list[scheduling.Session]:
    """Sessions so far from the first one."""
    first = party.rows[scheduling.Session]
    return more(
        first, len(apart),
        starts_at=lambda n: first.starts_at + apart[n - 1],
        ends_at=lambda n: first.ends_at + apart[n - 1],
        local_date=lambda n: DAY + apart[n - 1],
        original_local_date=lambda n: DAY + apart[n - 1],
        **differ,
    )  # fmt: skip


def _in(sessions: list[Any], row: M, **differ: Any) -> list[M]:
    """A copy of the row in each of the sessions."""
    return more(
        row, len(sessions),
        session=lambda n: sessions[n - 1],
        starts_at=lambda n: sessions[n - 1].starts_at,
        ends_at=lambda n: sessions[n - 1].ends_at,
        **differ,
    )  # fmt: skip


def _bookings(party: Party, sessions: list[Any], members: list[Any]) -> None:
    """The patient in all of them, recorded; the others in those of a few days."""
    rows = party.rows
    bookings = _in(sessions, rows[scheduling.Booking], call_in=None)
    more(rows[attendance.AttendanceRecord], MANY, booking=lambda n: bookings[n - 1])
    for member in members:
        _in(
            sessions[20:30], rows[scheduling.Booking], call_in=None,
            episode=member.episode, patient=member.episode.patient,
            membership=member, seat=member.seat,
        )  # fmt: skip


def _papers(party: Party) -> None:
    rows = party.rows
    later: dict[str, Callable[[int], Any]] = {
        name: lambda n: DAY + 10 * n * STEP for name in ("starts_on", "ends_on")
    }
    more(rows[patients.Authorization], SOME, number=lambda n: f"A-{n}", **later)
    more(rows[patients.EpisodeHold], SOME, **later)
    more(rows[patients.Certification], SOME, certified_on=lambda n: DAY + n * STEP)
    for model in (patients.Evaluation, patients.Diagnosis, patients.ProgramAgreement):
        more(rows[model], SOME)
    days = {name: lambda n: DAY + n * STEP for name in ("from_date", "to_date")}
    more(rows[scheduling.CallIn], SOME, **days)
    others = [factories.PatientFactory(clinic=party.clinic) for _ in range(SOME)]
    more(rows[patients.KeepApart], SOME, other=lambda n: others[n - 1])


def _cases(party: Party) -> None:
    rows = party.rows
    flag = rows[attendance.Flag]
    more(rows[attendance.OutreachAttempt], MANY)
    flags = more(
        flag, MANY,
        evidence_key=lambda n: str(n), opened_for=lambda n: DAY - n * STEP,
    )  # fmt: skip
    more(rows[attendance.OutreachAttempt], MANY, flag=lambda n: flags[n - 1])
    weeks = {
        name: lambda n: DAY - 7 * n * STEP
        for name in ("week_starts_on", "segment_starts_on", "segment_ends_on")
    }
    more(rows[attendance.WeekResult], MANY, **weeks)


def _reports(party: Party) -> None:
    rows = party.rows
    told = [factories.staff(party.clinic) for _ in range(SOME)]
    more(
        rows[attendance.ReportDelivery], SOME,
        recipient=lambda n: told[n - 1], message_id=lambda n: f"more-{n}@{party.clinic.pk}",
    )  # fmt: skip
    more(rows[attendance.DataImport], SOME)
    runs = more(
        rows[attendance.NightlyRun], MANY,
        local_date=lambda n: DAY - n * STEP, lease_until=timezone.now(),
    )  # fmt: skip
    more(
        rows[attendance.ComplianceReport], MANY,
        run=lambda n: runs[n - 1], local_date=lambda n: DAY - n * STEP,
    )  # fmt: skip


def _people(party: Party) -> None:
    rows = party.rows
    names = {"name": lambda n: f"Another {n}"}
    for model in (
        accounts.Therapist, patients.Program, patients.Payer, patients.ReferralSource,
        scheduling.Room, scheduling.SessionType, scheduling.Group,
    ):  # fmt: skip
        more(rows[model], SOME, **names)
    more(rows[accounts.License], SOME, number=lambda n: f"More {n}")
    off = rows[scheduling.TimeOff]
    more(rows[scheduling.Closure], SOME, from_time=lambda n: datetime.time(n % 24, n // 24))
    more(
        off, SOME,
        starts_at=lambda n: off.starts_at + n * STEP, ends_at=lambda n: off.ends_at + n * STEP,
    )  # fmt: skip


def _week(party: Party) -> None:
    """Two sessions on each day of the group's week, and what a closure cancelled."""
    rows = party.rows
    more(
        rows[scheduling.WeeklyBlock], 14,
        weekday=lambda n: n % 7,
        starts_at=lambda n: datetime.time(12 + n // 8 * 2),
        ends_at=lambda n: datetime.time(13 + n // 8 * 2),
    )  # fmt: skip
    closure, apart = rows[scheduling.Closure], [(40 + n) * STEP for n in range(SOME)]
    _dates(
        party, apart, closure=closure,
        state=scheduling.Session.State.CANCELLED,
        cancelled_reason="Snow", cancelled_at=timezone.now(),
    )  # fmt: skip
