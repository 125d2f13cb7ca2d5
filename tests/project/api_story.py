"""Thursday in one clinic, told in calls: one for each operation of the API, by those who make it.

What was sent and answered is kept in `iop_clinic/accounts/api/examples.json` and shown by the
OpenAPI document. Ids are counted in order of appearance, so the same story is the same file.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.urls import reverse
from rest_framework.test import APIClient

from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.models import User
from patients.models import Episode, Patient
from tests import factories as f
from tests.api import client_of
from tests.attendance.house import FRI, MON, THU
from tests.attendance.short_weeks import ShortWeek

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TOKEN = re.compile(r'"token": "\w+"')
REAL_TIME = re.compile(r'"[-\dT:]{19}\.\d{1,6}[-+]\d\d:\d\d"')
"""Of the audit trail: the database has a clock of its own."""
NOW = "2026-03-05T10:15:00-05:00"
PEOPLE = (("Robin", "Ames"), ("Kim", "Brook"), ("Sam", "Castle"), ("Lee", "Dunn"))


class Story:
    """`calls` maps "METHOD path" to what was sent and answered first."""

    def __init__(self) -> None:
        self.week = ShortWeek(name="Riverside")
        self.people: list[Episode] = [self.week.patient, *(self._guest() for _ in range(3))]
        self._name_them()
        self.morning = self.week.house.day(
            THU, self.people[1:3], "09:00", "10:00",
            group=self.week.house.group, therapist=self.week.house.therapist,
        )  # fmt: skip
        self.evening = self.week.session(THU, "14:00", therapist=self.week.house.therapist)
        self.saturday = self.week.session(FRI, "18:00", therapist=self.week.house.therapist)
        self.calls: dict[str, dict[str, Any]] = {}
        self.coordinator = client_of(self.week.by)
        self.therapist = client_of(self.week.house.user)

    def _guest(self) -> Episode:
        return self.week.house.patient(seat=None)

    def _name_them(self) -> None:
        named: list[tuple[User, str, str]] = [
            (self.week.by, "Casey Moreno", "casey@example.com"),
            (self.week.house.user, "Dana Ruiz", "dana@example.com"),
        ]
        for user, name, email in named:
            User.objects.filter(pk=user.pk).update(name=name, email=email)
        therapist = self.week.house.therapist
        therapist.name = "Dana Ruiz"
        therapist.save()
        group = self.week.house.group
        group.name = "Blue Heron"
        group.save()
        program = group.program
        program.name = "Evening IOP"
        program.save()
        for number, (episode, (first, last)) in enumerate(zip(self.people, PEOPLE, strict=True)):
            patient = episode.patient
            patient.first_name, patient.last_name = first, last
            patient.record_number = f"R10{number}"
            patient.save()

    def tell(self) -> None:
        """Every call, in an order in which each has something to say."""
        self._sign_in()
        self._look()
        self._record()
        self._weeks()
        self._book()
        self._plan()
        self._work_a_case()
        self._sign_out()

    # Who, where

    def _sign_in(self) -> None:
        password = {"username": "dana@example.com", "password": f.PASSWORD, "device": "Tablet"}
        token = self.call(APIClient(), "POST", "token", password)["token"]
        self.tablet = APIClient()
        self.tablet.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        self.call(self.tablet, "GET", "me")
        self.devices = self.call(self.tablet, "GET", "tokens")["results"]

    def _sign_out(self) -> None:
        lost = next(one["id"] for one in self.devices if not one["current"])
        self.call(self.tablet, "DELETE", "token-detail", of=lost)
        self.call(self.tablet, "DELETE", "token")

    def _look(self) -> None:
        self.call(self.tablet, "GET", "groups")
        self.call(self.tablet, "GET", "group-detail", of=self.week.house.group)
        self.call(self.tablet, "GET", "patients")
        self.call(self.tablet, "POST", "patient-search", {"q": "Ro"})
        self.call(self.tablet, "GET", "patient-detail", of=self.robin.patient)
        self.call(self.tablet, "GET", "sessions")
        self.call(self.tablet, "GET", "session-detail", of=self.morning)

    # Attendance

    def _record(self) -> None:
        kim, sam = self.morning.bookings.order_by("seat")
        told = {"attended": False, "absence_reason": "illness", "notified_at": _at("08:10")}
        body = {"all_present": True, "records": [{"booking": str(kim.public_id), **told}]}
        self.call(self.tablet, "PATCH", "attendance", body, of=self.morning)
        self.call(self.tablet, "GET", "record", of=sam)
        left = {"left_at": _at("09:40"), "correction_reason": "Left for a dentist's appointment"}
        self.call(self.tablet, "PATCH", "record", left, of=sam, version=1)
        self.call(self.tablet, "GET", "history", of=sam)
        mixed_up = {"correction_reason": "Mixed up two patients"}
        self.call(self.tablet, "DELETE", "record", mixed_up, of=sam, version=2)
        self.call(self.tablet, "PATCH", "attendance", {"all_present": True}, of=self.morning)
        self._record_the_day(sam.patient)
        self.call(self.tablet, "POST", "sign", of=self.morning)
        self.call(self.coordinator, "POST", "candidates", {"q": "Le"}, of=self.evening)
        added = {"patient": str(self.people[3].patient.public_id)}
        self.call(self.coordinator, "POST", "additions", added, of=self.evening)

    def _record_the_day(self, patient: Patient) -> None:
        day = {"group": self.week.house.group.public_id, "date": THU}
        lines = self.call(self.tablet, "GET", "group-day", **day)["roster"]
        read = next(one for one in lines if one["patient"]["id"] == str(patient.public_id))
        line = {
            "patient": str(patient.public_id),
            "attended": True,
            "left_at": _at("09:50"),
            "versions": {one["booking"]: one["version"] for one in read["bookings"]},
        }
        self.call(self.tablet, "PATCH", "group-day", {"records": [line]}, **day)

    # Weeks, bookings, calls

    def _weeks(self) -> None:
        self.call(self.coordinator, "GET", "weeks", of=self.robin.patient)
        for route in ("week-detail", "minutes", "make-ups"):
            self.call(self.coordinator, "GET", route, of=self.robin.patient, start=MON)

    def _book(self) -> None:
        make_up = {
            "session": str(self.evening.public_id),
            "patient": str(self.robin.patient.public_id),
            "makes_up": str(self.week.missed.public_id),
        }
        booked = self.call(self.coordinator, "POST", "bookings", make_up)
        notice = {"reason": "illness", "notified_at": _at("10:05")}
        away = {"from": str(FRI), "to": str(FRI), **notice, "note": "Flu"}
        call = self.call(self.coordinator, "POST", "call-ins", away, of=self.robin.patient)
        self.call(self.coordinator, "POST", "take-back", of=call["id"])
        self.call(self.coordinator, "POST", "release", notice, of=self.week.friday)
        changed = {"reason": "Plan changed"}
        self.call(self.coordinator, "POST", "withdraw", changed, of=booked["id"])

    def _plan(self) -> None:
        plan = {
            "type": "individual",
            "therapist": "Dana Ruiz",
            "starts_at": f"{FRI}T14:00:00-05:00",
            "ends_at": f"{FRI}T14:50:00-05:00",
            "patients": [str(self.people[1].patient.public_id)],
        }
        planned = self.call(self.coordinator, "POST", "sessions", plan)
        self.call(self.coordinator, "GET", "cancel-impact", of=planned["id"])
        self.call(self.coordinator, "POST", "cancel", {"reason": "Snow"}, of=planned["id"])

    # Cases

    def _work_a_case(self) -> None:
        self.call(self.coordinator, "GET", "flags")
        case = Flag.objects.get(episode=self.robin, rule=AbsenceRule.Kind.HOURS)
        self.call(self.coordinator, "GET", "flag-detail", of=case)
        spoke = {"method": "in_person", "result": "reached", "note": "Car trouble until Friday"}
        words = {"reason": "transport", "make_up_offered": "Thursday, 14:00"}
        steps: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "flag-acknowledge", {}),
            ("POST", "flag-assign", {"owner": str(self.week.by.public_id)}),
            ("POST", "flag-outreach", spoke),
            ("POST", "flag-snooze", {"until": str(FRI), "reason": "Comes on Friday"}),
            ("PUT", "flag-week-note", words),
            ("POST", "flag-resolve", {"outcome": "reached", "note": "Will come on Friday"}),
        ]
        for method, route, body in steps:
            case.refresh_from_db()
            self.call(self.coordinator, method, route, body, of=case, version=case.version)

    # One call

    @property
    def robin(self) -> Episode:
        return self.people[0]

    def call(
        self,
        client: APIClient,
        method: str,
        route: str,
        body: dict[str, Any] | None = None,
        *,
        of: Any = None,
        version: int | None = None,
        **path: Any,
    ) -> Any:
        """The answer; what was said first of an operation becomes its example."""
        if of is not None:
            path["public_id"] = getattr(of, "public_id", of)
        headers: Any = {} if version is None else {"HTTP_IF_MATCH": f'"{version}"'}
        sent = json.dumps(body) if body else ""
        url = reverse(f"api:{route}", kwargs=path)
        answer = client.generic(method, url, sent, "application/json", **headers)
        assert answer.status_code < 300, (method, route, answer.content)
        said = answer.json() if answer.content else None
        shown = {"request": body or None, "status": answer.status_code, "response": said}
        self.calls.setdefault(f"{method} {_template(url)}", shown)
        return said


def _template(url: str) -> str:
    """The path as the OpenAPI document names it."""
    path = re.sub(r"/2\d{3}-\d\d-\d\d/", "/{start}/", UUID.sub("{public_id}", url))
    return path.replace("group-days/{public_id}/{start}", "group-days/{group}/{date}")


def _at(clock: str) -> str:
    return f"{THU}T{clock}:00-05:00"


def counted(text: str) -> str:
    """The same text with its random ids counted, at the story's time, with no token to be taken
    for one."""
    seen: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return seen.setdefault(found[0], f"00000000-0000-4000-8000-{len(seen) + 1:012}")

    timeless = REAL_TIME.sub(f'"{NOW}"', UUID.sub(number, text))
    return TOKEN.sub('"token": "0f9c…"', timeless)
