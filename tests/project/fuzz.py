"""Schemathesis against a clinic on a Thursday, in which every operation finds rows to work on.

    found = fuzz(url, Thursday().words(), token, folder, "--seed", "7")
    found.answered["group-day", "PATCH"]        # {200, 400, 409}

The ids, names and times of `words` go into the document's examples and into nine requests of ten
that are drawn: without them a fuzzer would meet hardly anything but 404. Devices are left alone, or
it would sign itself out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from django.urls import Resolver404, resolve

from attendance.call_ins import call_in
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from tests import factories
from tests.api import API
from tests.attendance.house import FRI, MON, SAT, SUN, THU, WED
from tests.attendance.nights import case
from tests.attendance.short_weeks import ShortWeek

NOW = "2026-03-05T10:15:00-05:00"
NOT_CHECKED = "positive_data_acceptance"
"""A schema cannot say what is refused for what is stored, for a date too far away, or for a NUL."""
REFUSALS = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429]

Words = dict[str, Iterable[Any]]
"""Values by parameter, such as `path.public_id` or `body.records[*].booking`."""


class Thursday:
    """A short week at 10:15 on its Thursday; its group has met twice this morning."""

    def __init__(self) -> None:
        self.week = ShortWeek()
        self.house, self.flag = self.week.house, self.week.flag
        self.clinic = self.week.clinic
        self.people = [self.house.patient(seat=None) for _ in range(4)]
        self.recorded = self._held(THU, "06:00", "06:50")
        for one in self.people:
            self.house.came(one, THU)
        self.morning = [self._held(THU, "08:00", "08:50"), self._held(THU, "09:00", "10:00")]
        self.other_group = factories.GroupFactory(
            clinic=self.clinic, program=self.house.group.program
        )
        self._held(THU, "07:00", "07:50", group=self.other_group)
        self.open = [self._held(day, "14:00", "17:20", people=[]) for day in (THU, FRI)]
        self.to_cancel = [self._held(SAT, f"{hour}:00", f"{hour}:50") for hour in range(10, 16)]
        self.to_release = self._held(SUN, "09:00", "10:00")
        self.to_withdraw = self._held(SUN, "11:00", "12:00")

    def _held(self, day: Any, starts: str, ends: str, **extra: Any) -> Session:
        people = extra.pop("people", self.people)
        extra = {"group": self.house.group, "therapist": self.house.therapist, **extra}
        return self.house.day(day, people, starts, ends, **extra)

    def member(self, role: Role) -> User:
        """Somebody of this role; the therapist is the one whose patients and sessions these are."""
        return self.house.user if role == Role.THERAPIST else factories.staff(self.clinic, role)

    def words(self) -> dict[str, Words]:
        """By a regular expression for paths, of which the first that fits holds; "" for all."""
        patients = [self.week.patient.patient, *(one.patient for one in self.people)]
        recorded = self.recorded.bookings.order_by("seat")
        unrecorded = self.morning[1].bookings.order_by("seat")
        roster: dict[str, Any] = {
            f"body.records[*].{name}": known for name, known in _FACTS.items()
        } | {
            "body.records[*].booking": _ids(*unrecorded, *recorded),
            "body.records[*].version": [1],
            "body.records[*].patient": _ids(*patients[1:]),
        }
        return {
            "/(candidates|roster)/": {
                "path.public_id": _ids(*self.open, self.morning[1]),
                "body.patient": _ids(*patients),
            },
            "/cancel": {"path.public_id": _ids(*self.to_cancel)},
            "/sign/": {"path.public_id": _ids(self.recorded, self.morning[0])},
            "/sessions/.public_id./": {
                "path.public_id": _ids(self.morning[1], self.morning[0], self.recorded), **roster
            },
            "/sessions/": self._plan(),
            "/group-days/": {
                "path.group": _ids(self.other_group, self.house.group),
                "path.date": [THU, WED, FRI],
                **roster,
            },
            "/groups/": {"path.public_id": _ids(self.house.group)},
            "/release/": {"path.public_id": _ids(*self.to_release.bookings.all())},
            "/withdraw/": {"path.public_id": _ids(*self.to_withdraw.bookings.all())},
            "/bookings/.public_id./": {"path.public_id": _ids(*recorded, *unrecorded)},
            "/bookings/": {
                "body.session": _ids(*self.open),
                "body.patient": _ids(*patients),
                "body.makes_up": _ids(self.week.missed),
            },
            "/patients/": {"path.public_id": _ids(*patients), "path.start": [MON]},
            "/call-ins/": {"path.public_id": _ids(*self._calls())},
            **self._cases(),
            "": self._everywhere(),
        }  # fmt: skip

    def _everywhere(self) -> Words:
        facts = {f"body.{name}": known for name, known in _FACTS.items()}
        return facts | {
            "header.If-Match": ["*", '"1"', '"2"', '"0"'],
            "query.clinic": _ids(self.clinic),
            "query.group": _ids(self.house.group),
            "query.from": [MON, THU],
            "query.to": [FRI, SAT],
            "body.from": [FRI, SAT],
            "body.to": [SAT, SUN],
            "body.until": [FRI, SAT],
            "body.attempted_at": _at("09:30"),
            "body.owner": _ids(self.week.by, self.house.user),
        }

    def _plan(self) -> Words:
        return {
            "body.type": ["individual", "Group therapy"],
            "body.therapist": [self.house.therapist.name],
            "body.starts_at": [f"{FRI}T{hour:02}:00:00-05:00" for hour in range(8, 13)],
            "body.ends_at": [f"{FRI}T{hour:02}:00:00-05:00" for hour in (13, 14)],
            "body.room": [factories.RoomFactory(clinic=self.clinic).name],
            "body.patients[*]": _ids(*(one.patient for one in self.people)),
            "body.group": _ids(self.house.group),
            "body.clinic": _ids(self.clinic),
        }

    def _calls(self) -> list[Any]:
        """Sick calls of next week, to take back."""
        days = [MON.replace(day=9 + n) for n in range(2)]
        return [
            call_in(
                episode=one, from_date=day, to_date=day, reason="illness",
                notified_at=self.house.at(THU, "08:00"), by=self.week.by,
                now=self.house.at(THU, "10:00"),
            )
            for one in self.people for day in days
        ]  # fmt: skip

    def _cases(self) -> dict[str, Words]:
        """A case of its own for each step, so that closing one leaves the others open."""
        steps = ["acknowledge", "assign", "outreach", "snooze", "resolve"]
        cases = {f"/{step}/": [self._case(), self._case()] for step in steps} | {
            "/flags/": [self.flag]
        }
        return {path: {"path.public_id": _ids(*rows)} for path, rows in cases.items()}

    def _case(self) -> Any:
        """About a patient of the house's therapist."""
        return case(self.clinic, episode=self.house.patient(seat=None))


def _at(*clocks: str) -> list[str]:
    return [f"{THU}T{clock}:00-05:00" for clock in clocks]


_FACTS = {
    "arrived_at": _at("08:05", "09:10"),
    "left_at": _at("08:40", "09:50"),
    "notified_at": _at("07:30", "10:00"),
}


def _ids(*rows: Any) -> list[str]:
    return [str(row.public_id) for row in rows]


@dataclass(frozen=True)
class Found:
    """What a run said, and which statuses each route and method answered."""

    faults: str
    answered: Mapping[tuple[str, str], set[int]]


def fuzz(url: str, words: Mapping[str, Words], token: str, folder: Path, *options: str) -> Found:
    """`options` are the command's, such as `--seed`, `--phases` and `--max-examples`."""
    (folder / "schemathesis.toml").write_text(_settings(words))
    (folder / "openapi.json").write_text(_document(url, words))
    record = folder / "calls.har"
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json",
            "--url", url,
            "--header", f"Authorization: Bearer {token}",
            "--exclude-path-regex", "/auth/",
            "--checks", "all", "--exclude-checks", NOT_CHECKED,
            "--workers", "1", *options,
            "--request-timeout", "30", "--no-color",
            "--generation-database", "none",
            "--report", "har", "--report-har-path", str(record),
        ],
        cwd=folder, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert record.exists(), run.stdout
    return Found(run.stdout[-6000:] if run.returncode else "", _answered(record))


def _settings(words: Mapping[str, Words]) -> str:
    """schemathesis.toml; texts and lists are written in TOML as in JSON."""
    lists: list[str] = []
    scopes = [
        f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSALS}",
    ]
    for path, values in words.items():
        operation = (
            f"[[operations]]\ninclude-path-regex = {json.dumps(path)}\n[operations.parameters]"
        )
        scopes.append(operation if path else "[parameters]")
        for name, known in values.items():
            scopes.append(f'"{name}" = {{ dictionary = "{len(lists)}", probability = 0.9 }}')
            lists.append(
                f"[dictionaries.{len(lists)}]\nvalues = {json.dumps([*known], default=str)}"
            )
    return "\n".join(scopes + lists)


def _document(url: str, words: Mapping[str, Words]) -> str:
    """The OpenAPI document, its examples about rows that there are."""
    with urlopen(f"{url}{API}/schema/") as answer:
        document = json.load(answer)
    for path, methods in document["paths"].items():
        known = words[""] | next(of for pattern, of in words.items() if re.search(pattern, path))
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if found := known.get(f"{parameter['in']}.{parameter['name']}"):
                    parameter["example"] = next(iter(found))
            shown = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in shown:
                shown["example"] = _filled(shown["example"], known, "body")
    return json.dumps(document, default=str)


def _filled(said: Any, known: Words, place: str) -> Any:
    """The first of the known values in the place of each id and time."""
    if isinstance(said, dict):
        named = {name: _filled(inner, known, f"{place}.{name}") for name, inner in said.items()}
        return {name: inner for name, inner in named.items() if name != "versions"}
    if isinstance(said, list):
        return [_filled(inner, known, f"{place}[*]") for inner in said]
    return next(iter(known.get(place, [said])))


def _answered(record: Path) -> dict[tuple[str, str], set[int]]:
    answered: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for entry in json.loads(record.read_text())["log"]["entries"]:
        path = urlsplit(entry["request"]["url"]).path
        with suppress(Resolver404):
            asked = str(resolve(path).url_name), entry["request"]["method"]
            answered[asked].add(entry["response"]["status"])
    return answered
