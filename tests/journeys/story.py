"""A clinic whose first two weeks have just gone by, told through what its people do.

It stands in a zone where it is about noon now, because the worker and the web server have the real
clock; its weeks begin on today's weekday, so that the week before ended yesterday. The group meets
on the third, fifth and seventh day of each: yesterday was the last.

Maya is the patient the journeys follow; Ben sits beside her and never misses a day.
"""

import datetime
import re
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from attendance.clinics import open_clinic
from attendance.models import ReportDelivery
from attendance.reports.queue import queue_tick
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.services import add_license, add_therapist, invite
from patients.models import AgeBracket, Episode, Level, Program
from patients.services import (
    admit,
    diagnose,
    evaluate,
    refer,
    save_patient,
    set_plan,
    sign_agreement,
)
from scheduling.models import Booking, Group, Session, SessionType, WeeklyBlock
from scheduling.services import enrol, expand
from tests import factories
from tests.attendance.nights import until
from tests.mail import SmtpSink
from tests.web import Answer, Caller, WebProcess, sign_in

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY
MEETS_ON = (2, 4, 6)
"""Days of the week, counted from its first."""

BREAKS = [[60, 70], [130, 140]]
API = "/api/v1"
SETUP = Job("setup")
PASSWORD = "harbour-lights-at-dusk"
STAFF = {
    "admin@harbor.example": Role.ADMINISTRATOR,
    "coordinator@harbor.example": Role.COORDINATOR,
    "therapist@harbor.example": Role.THERAPIST,
}
MAYA = {
    "first_name": "Maya",
    "last_name": "Quixotry",
    "preferred_name": "Mayflower",
    "record_number": "RX90871",
    "birth_date": datetime.date(1987, 6, 5),
    "phone": "555-0142",
}
BEN = {
    "first_name": "Ben",
    "last_name": "Zebulon",
    "record_number": "RX90872",
    "birth_date": datetime.date(1979, 2, 3),
}
GROUP_NAME = "Larkspur"
TRACES = [
    *("maya", "quixotry", "mayflower", "rx90871", "1987-06-05", "555-0142"),
    *("zebulon", "rx90872", "larkspur", "f10.20"),
]
"""What a mail must not hold of any of it."""


def noon_zone() -> str:
    """A zone without clock changes in which it is between 11:30 and 12:30 now."""
    now = timezone.now()
    behind = round(now.hour + now.minute / 60) - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


class Story:
    """The clinic, its people and its dates; every step is one that a person takes."""

    def __init__(self, web: WebProcess, sink: SmtpSink) -> None:
        self.web, self.sink = web, sink
        zone = noon_zone()
        self.today = timezone.localdate(timezone=ZoneInfo(zone))
        self.yesterday = self.today - DAY
        self.first_week, self.second_week = self.today - 2 * WEEK, self.today - WEEK
        self.clinic = open_clinic(
            name="Harbor", zone=zone, state="NY", week_starts_on=self.today.weekday(), by=SETUP
        )
        self.clinic.refresh_from_db()  # its times of day are text until read back
        self.therapist = add_therapist(clinic=self.clinic, name="Theo Marsh", by=SETUP)
        self.license = add_license(
            therapist=self.therapist, credential="LCSW", state="NY", number="L1",
            expires_on=self.today + 52 * WEEK, by=SETUP,
        )  # fmt: skip
        self.people = {role: self._invite(email, role) for email, role in STAFF.items()}
        until(lambda: len(sink.messages) == len(STAFF), "the invitations")
        for message in sink.messages:
            accept(message)
        sink.reset()
        self._timetable()

    def _invite(self, email: str, role: Role) -> User:
        therapist = self.therapist if role == Role.THERAPIST else None
        name = email.partition("@")[0].title()
        return invite(
            clinic=self.clinic, email=email, name=name, role=role, therapist=therapist, by=SETUP
        ).user

    def _timetable(self) -> None:
        """One group that meets three days a week for 180 credited minutes."""
        self.program = Program.objects.create(
            clinic=self.clinic, name="Recovery", kind=Program.Kind.SUBSTANCE_USE, part2=True
        )
        self.group = Group.objects.create(
            clinic=self.clinic, name=GROUP_NAME, program=self.program, capacity=8, min_size=1
        )
        kind = SessionType.objects.get(clinic=self.clinic, name="Group therapy")
        for day in days_of(self.first_week):
            WeeklyBlock.objects.create(
                clinic=self.clinic, group=self.group, session_type=kind, weekday=day.weekday(),
                starts_at=datetime.time(6), ends_at=datetime.time(9, 20), breaks=BREAKS,
                facilitator=self.therapist, valid_from=self.first_week,
            )  # fmt: skip

    # --- a patient's way in, on the first week's first day ---

    @property
    def coordinator(self) -> User:
        return self.people[Role.COORDINATOR]

    def on_the_first_day(self) -> Any:
        """The clock of this process at 05:30; the worker and the web server keep theirs."""
        morning = factories.at(self.clinic, self.first_week.isoformat(), "05:30")
        return time_machine.travel(morning, tick=True)

    def refer(self, facts: dict[str, Any]) -> Episode:
        by = self.coordinator
        patient = save_patient(clinic=self.clinic, by=by, **facts)
        return refer(
            clinic=self.clinic, patient=patient, program=self.program, by=by,
            referred_on=self.first_week - 3 * DAY, primary_therapist=self.therapist,
        )  # fmt: skip

    def document(self, episode: Episode) -> None:
        """Evaluation, diagnosis by a licensed clinician, the signed commitment to the hours."""
        day, by = self.first_week - 2 * DAY, self.coordinator
        evaluate(episode=episode, evaluated_on=day, evaluator=self.therapist, by=by)
        diagnose(episode=episode, code="F10.20", diagnosed_on=day, license=self.license, by=by)
        sign_agreement(episode=episode, signed_on=day, weekly_minutes=540, by=by)

    def plan(self, episode: Episode, minutes: int = 540) -> None:
        set_plan(
            episode=episode, starts_on=self.first_week, level=Level.IOP,
            age_bracket=AgeBracket.ADULT, weekly_minutes_target=minutes, days_per_week=3,
            by=self.coordinator,
        )  # fmt: skip

    def admit(self, episode: Episode) -> None:
        """With papers and a plan of 9 hours."""
        self.document(episode)
        admit(episode=episode, admitted_on=self.first_week, by=self.coordinator)
        self.plan(episode)

    def take_in(self, facts: dict[str, Any]) -> Episode:
        """From the referral to a seat in the group."""
        episode, day, by = self.refer(facts), self.first_week, self.coordinator
        self.admit(episode)
        enrol(group=self.group, episode=episode, starts_on=day, by=by)
        return episode

    def expand(self) -> int:
        """How many sessions the daily expansion created."""
        return expand(clinic=self.clinic, today=self.first_week, by=SETUP).created

    # --- over HTTP, now ---

    def caller(self, role: Role) -> Caller:
        return sign_in(self.web, self.people[role].email, PASSWORD)

    def session(self, day: datetime.date) -> Session:
        return Session.objects.get(clinic=self.clinic, local_date=day)

    def booking(self, episode: Episode, day: datetime.date) -> Booking:
        return Booking.objects.get(episode=episode, session__local_date=day)

    def record(self, caller: Caller, day: datetime.date, *absent: Episode) -> Answer:
        """A day's roster in one request: all present but these."""
        missing = [
            {"booking": str(self.booking(one, day).public_id), "attended": False} for one in absent
        ]
        path = f"{API}/sessions/{self.session(day).public_id}/attendance/"
        answer = caller.send("PATCH", path, body={"all_present": True, "records": missing})
        assert answer.status == 200, answer
        return answer

    def night(self) -> None:
        """Yesterday is judged by the worker, and everybody has the mails about it.

        Yesterday ended a week, so when nothing in it is open the week is told as well.
        """
        assert queue_tick()
        mails = ReportDelivery.objects.filter(clinic=self.clinic)
        nightly = mails.filter(report__kind="nightly", state=ReportDelivery.State.SENT)
        until(lambda: nightly.count() == len(STAFF), "the nightly reports")
        until(lambda: not mails.exclude(state=ReportDelivery.State.SENT).exists(), "every mail")

    def mails(self, subject: str) -> list[tuple[str, EmailMessage]]:
        """The mails whose subject begins so, each with its recipient's address, by address."""
        pairs = zip(self.sink.recipients, self.sink.messages, strict=True)
        found = [(to, message) for [to], message in pairs if message["Subject"].startswith(subject)]
        return sorted(found, key=lambda pair: pair[0])


def days_of(week: datetime.date) -> list[datetime.date]:
    """The days on which the group meets."""
    return [week + n * DAY for n in MEETS_ON]


def accept(invitation: EmailMessage) -> None:
    """Follow the link of an invitation and set a password."""
    part = invitation.get_body(("plain",))
    assert part
    found = re.search(rf"{re.escape(settings.BASE_URL)}\S+", part.get_content())
    assert found
    browser = Client()
    form = browser.get(urlsplit(found.group()).path, follow=True)
    answer = browser.post(
        form.request["PATH_INFO"], {"new_password1": PASSWORD, "new_password2": PASSWORD}
    )
    assert answer.status_code == 302
