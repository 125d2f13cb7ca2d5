"""What the people of the demo clinic do with the morning list: as much as a day has room for.

They take the loudest first: a patient is called, up to three times, and the case closed with what
came of it. Papers, places and rosters wait for whoever has them.
"""

from __future__ import annotations

import datetime
import random
from typing import ClassVar

from attendance.compliance.cases import log_outreach, resolve
from attendance.compliance.outreach import allowed_methods
from attendance.compliance.week_notes import note_of, write_week_note
from attendance.models import AbsenceRule, Flag, OutreachAttempt, WeekNote
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Role

ITEMS_A_DAY = 16
"""What a coordinator and six therapists get done beside their sessions."""
ANSWERS = 60
"""Percent of calls that reach the patient."""
CALLS = 3

Kind, Outcome, Result = AbsenceRule.Kind, Flag.Outcome, OutreachAttempt.Result
WEEKS = frozenset({Kind.HOURS, Kind.TOO_FEW_DAYS, Kind.BELOW_PLAN})
CALLED = WEEKS | {
    Kind.NO_CALL_DAY,
    Kind.CONSECUTIVE,
    Kind.COUNT_IN_DAYS,
    Kind.LEFT_SHORT,
    Kind.EXCUSED_DAYS,
    Kind.SILENT_DAYS,
    Kind.FIRST_DAYS,
}
"""Rules whose cases are settled by talking with the patient."""


class Desk:
    """One person for all, so that the number of items and not of people limits a day."""

    takes: ClassVar[frozenset[int]] = CALLED | {Kind.OVER_MAXIMUM}
    """The rules whose cases are worked here; the others' do not take up a day's room."""

    def __init__(self, clinic: Clinic, *, seed: int) -> None:
        self.clinic = clinic
        self.seed = seed
        self.person = User.objects.get(
            memberships__clinic=clinic, memberships__role=Role.COORDINATOR
        )

    def work(self, now: datetime.datetime) -> None:
        """One business day at the list, loudest first, at an instant."""
        today = now.astimezone(self.clinic.tz).date()
        rows = Flag.objects.filter(clinic=self.clinic, rule__in=self.takes)
        waiting = rows.waiting(today).loudest_first()
        for flag in list(waiting[:ITEMS_A_DAY]):
            flag.refresh_from_db()  # the item before may have closed it
            if flag.is_open:
                self.handle(flag, now)

    def handle(self, flag: Flag, now: datetime.datetime) -> None:
        """Do what the case asks for."""
        if flag.rule in CALLED:
            self.call(flag, now)
        else:
            resolve(flag=flag, outcome=Outcome.OTHER, note="Looked at.", by=self.person, now=now)

    def call(self, flag: Flag, now: datetime.datetime) -> None:
        assert flag.episode is not None  # these rules are about patients
        tried = flag.outreach.count()
        reached = self.lucky(ANSWERS, "answers", *self.about(flag), tried)
        log_outreach(
            flag=flag,
            method=allowed_methods(flag.episode.patient, now.date())[0],
            result=Result.REACHED if reached else Result.NO_ANSWER,
            attempted_at=now,
            by=self.person,
        )
        if reached or tried + 1 >= CALLS:
            self.close(flag, Outcome.REACHED if reached else Outcome.NOT_REACHED, now)

    def close(self, flag: Flag, outcome: Flag.Outcome, now: datetime.datetime) -> None:
        if flag.rule in WEEKS and note_of(flag) is None:
            write_week_note(
                flag=flag,
                reason=WeekNote.Reason.UNKNOWN,
                make_up_offered="None was taken",
                by=self.person,
                now=now,
            )
        resolve(flag=flag, outcome=outcome, by=self.person, now=now)

    def about(self, flag: Flag) -> tuple[object, ...]:
        """What names a case in every run: no key of a row."""
        assert flag.episode is not None
        return flag.episode.patient.record_number, flag.rule, flag.evidence_key

    def lucky(self, percent: int, *about: object) -> bool:
        """A draw that is the same for the same seed and question."""
        draw = random.Random(f"{self.seed} {about}")  # noqa: S311  a demo, not a secret
        return draw.random() * 100 < percent
