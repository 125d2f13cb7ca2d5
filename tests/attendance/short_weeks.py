"""A patient who came on Monday, missed Wednesday without a call and is booked for Friday.

    week = ShortWeek()
    thursday = week.session(THU, "14:00")     # 180 minutes with a free seat
    week.found().candidates

It is Thursday, five in the morning: 3 h of 9 h are credited, 3 h more can come on Friday. The night
has judged Wednesday and opened the case of the week.
"""

from typing import Any

from attendance.compliance.make_ups import MakeUps, find_make_ups
from attendance.models import AbsenceRule, Flag, NightlyRun
from iop_clinic.accounts.roles import Role
from patients.models import Authorization, Coverage, Episode, Payer
from scheduling.models import Booking, Session
from tests import factories as f
from tests.attendance.house import BREAKS, FRI, MON, THU, WED, House

ENDS = {"09:00": "12:20", "14:00": "17:20", "18:00": "21:20"}


class ShortWeek:
    def __init__(self, **extra: Any) -> None:
        self.house = House(**extra)
        self.clinic, self.by = self.house.clinic, f.staff(self.house.clinic, Role.COORDINATOR)
        self.patient: Episode = self.house.patient()
        for day in (MON, WED, FRI):
            self.house.day(day, [self.patient], group=self.house.group)
        self.house.came(self.patient, MON)
        self.house.missed(self.patient, WED)
        self.house.night(WED)
        self.now = self.house.morning(WED)
        NightlyRun.objects.create(
            clinic=self.clinic, local_date=WED, state="evaluated", lease_until=self.now
        )

    @property
    def flag(self) -> Flag:
        """The case of the week."""
        return Flag.objects.get(
            clinic=self.clinic,
            rule=AbsenceRule.Kind.HOURS,
            evidence_key__startswith=MON.isoformat(),
        )

    @property
    def missed(self) -> Booking:
        return Booking.objects.get(episode=self.patient, session__local_date=WED)

    @property
    def friday(self) -> Booking:
        return Booking.objects.get(episode=self.patient, session__local_date=FRI)

    def session(self, day: Any = THU, starts: str = "14:00", **extra: Any) -> Session:
        """A session of the house's group with nobody in it; three hours unless `ends` is given."""
        extra.setdefault("group", self.house.group)
        ends = extra.pop("ends", None)
        if ends is None:
            ends, extra["breaks"] = ENDS[starts], BREAKS
        return self.house.day(day, [], starts, ends, **extra)

    def other(self, **extra: Any) -> Episode:
        return self.house.patient(seat=None, **extra)

    def also_short(self, seat: int) -> Episode:
        """Another patient of the group whose week went the same way, as the night found."""
        patient = self.house.patient(seat=seat)
        for session in self.house.group.sessions.filter(local_date__in=[MON, WED, FRI]):
            f.booking(session, patient, seat)
        self.house.came(patient, MON)
        self.house.missed(patient, WED)
        self.house.night(WED)
        return patient

    def fill(self, session: Session) -> None:
        Session.objects.filter(pk=session.pk).update(capacity=1)
        f.booking(session, self.other())

    def insure(self, *, needs: bool = True, whom: Episode | None = None, **authorized: Any) -> None:
        """A payer of the patient's, and its authorization when dates or units are given."""
        whom = whom or self.patient
        payer: Payer = f.PayerFactory(clinic=self.clinic, needs_authorization=needs)
        Coverage.objects.create(
            clinic=self.clinic, patient=whom.patient, payer=payer, starts_on=MON
        )
        if authorized:
            given = {"starts_on": MON, "ends_on": "2026-04-30", "units": 30, **authorized}
            Authorization.objects.create(
                clinic=self.clinic, episode=whom, payer=payer, number="A1", **given
            )

    def found(self, **extra: Any) -> MakeUps:
        return find_make_ups(episode=self.patient, day=THU, now=self.now, **extra)

    def sessions(self) -> list[Session]:
        return [one.session for one in self.found().candidates]
