"""The cast of the site's access matrix, and the table of what each page needs, written by hand.

Alice and Bob are therapists of one clinic, Carol is one of another; every table holds a row of each
that could leak. What is expected is reckoned from the tables here, never by the code that decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.test import Client
from django.urls import reverse

from attendance.imports.findings import listed
from attendance.models import ComplianceReport, DataImport
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import Patient, ReferralSource
from scheduling.models import Group, Session
from tests import factories
from tests.pages import Page
from tests.project.access import MAY
from tests.project.world import DAY, Rows, clinic_rows, therapist_rows

QUIET: Mapping[str, Any] = {
    **dict.fromkeys(("changed", "escalated", "closed", "lapsed", "amended_weeks"), 0),
    **{name: [] for name in ("severities", "rules", "findings")},
    "week": None,
}
"""A nightly report of which there is nothing to tell."""
LOGIN = 302
DENIED = 403
UNSEEN = 404


@dataclass(frozen=True)
class Table:
    """What the pages of a table need: the permission to see, to add, to change; "": nobody may.

    `whose` rows they are: a therapist sees their "own", whatever is the "clinic"'s, and none of
    those that are for other "staff".
    `verbs` are the pages beside these; whoever opens one must be allowed to see the rows as well.
    """

    view: str
    add: str = ""
    change: str = ""
    whose: str = "own"
    verbs: Mapping[str, str] = field(default_factory=dict)


TABLES: Mapping[str, Table] = {
    "accounts_clinic": Table(
        "manage_clinic", change="manage_clinic", whose="clinic",
        verbs={"switch": "view_schedule", "zone": "manage_clinic", "export": "export"},
    ),
    "accounts_membership": Table(
        "manage_staff", change="manage_staff", whose="staff",
        verbs={"role": "manage_staff", "resend": "manage_staff", "invite": "manage_staff",
               "end-calendar-link": "manage_staff", "deactivate": "manage_staff"},
    ),
    "accounts_therapist": Table(
        "view_schedule", "manage_staff", "manage_staff", whose="clinic",
        verbs={"license": "manage_staff"},
    ),
    "accounts_license": Table("view_schedule", change="manage_staff", whose="clinic"),
    "patients_authorization": Table(
        "view_patients", "manage_authorizations", "manage_authorizations"
    ),
    "patients_coverage": Table("view_patients", "manage_authorizations", "manage_authorizations"),
    "patients_certification": Table(
        "view_patients", "manage_authorizations", "manage_authorizations"
    ),
    "patients_episode": Table(
        "view_patients", "manage_episodes", "manage_episodes",
        verbs={
            "evaluate": "manage_episodes", "diagnose": "manage_episodes",
            "agreement": "manage_episodes", "admit": "manage_episodes", "plan": "manage_episodes",
            "resume": "manage_episodes", "mandate": "manage_episodes", "hold": "manage_episodes",
            "level": "manage_episodes", "discharge": "manage_episodes",
            "take-discharge-back": "manage_episodes", "take-level-back": "manage_episodes",
            "authorize": "manage_authorizations", "certify": "manage_authorizations",
            "call-in": "take_call_ins", "make_ups": "book", "book": "book", "enrol": "book",
            "find-place": "book", "transfer": "book", "attendance-summary": "view_patients",
            "attendance-summary.pdf": "export",
        },
    ),
    "patients_treatmentplan": Table("view_patients", change="manage_episodes"),
    "patients_episodehold": Table("view_patients"),
    "patients_patient": Table(
        "view_patients", "edit_patients", "edit_patients",
        verbs={"refer": "manage_episodes", "coverage": "manage_authorizations",
               "keep-apart": "manage_episodes", "export": "export"},
    ),
    "patients_program": Table("view_schedule", "manage_clinic", "manage_clinic", whose="clinic"),
    "patients_payer": Table(
        "view_patients", "manage_authorizations", "manage_authorizations", whose="clinic"
    ),
    "patients_referralsource": Table(
        "view_patients", "edit_patients", "edit_patients", whose="clinic"
    ),
    "patients_keepapart": Table("manage_episodes", change="manage_episodes", whose="staff"),
    "scheduling_booking": Table(
        "view_schedule",
        verbs={"record": "record_attendance", "correct": "record_attendance",
               "clear": "record_attendance", "release": "take_call_ins", "withdraw": "book",
               "export": "export"},
    ),
    "scheduling_callin": Table(
        "view_schedule", verbs={"take-back": "take_call_ins", "call-in": "take_call_ins"}
    ),
    "scheduling_group": Table(
        "view_schedule", "manage_schedule", "manage_schedule",
        verbs={"enrol": "book", "fill": "book", "capacity": "manage_schedule",
               "second": "manage_schedule", "expand": "manage_schedule", "export": "export"},
    ),
    "scheduling_weeklyblock": Table(
        "view_schedule", verbs=dict.fromkeys(("new", "change-block", "end"), "manage_schedule")
    ),
    "scheduling_groupmembership": Table(
        "view_schedule", verbs={"transfer": "book", "end": "book", "take-back": "book"}
    ),
    "scheduling_waitlistentry": Table(
        "view_schedule", "book", "book",
        verbs=dict.fromkeys(("offer", "attempt", "accept", "decline", "remove"), "book"),
    ),
    "scheduling_room": Table("view_schedule", "manage_schedule", "manage_schedule", whose="clinic"),
    "scheduling_sessiontype": Table(
        "view_schedule", "manage_clinic", "manage_clinic", whose="clinic",
        verbs={"leaders": "manage_clinic"},
    ),
    "scheduling_closure": Table(
        "view_schedule", whose="clinic",
        verbs={"new": "manage_schedule", "take-back": "manage_schedule",
               "call-list": "take_call_ins"},
    ),
    "scheduling_timeoff": Table(
        "view_schedule", whose="clinic",
        verbs={"new": "manage_schedule", "take-back": "manage_schedule",
               "call-list": "take_call_ins"},
    ),
    "scheduling_session": Table(
        "view_schedule",
        verbs={
            "all-present": "record_attendance", "sign": "sign_rosters", "roster-add": "book",
            "move": "manage_schedule", "substitute": "manage_schedule",
            "change-block": "manage_schedule", "combine": "manage_schedule",
            "part": "manage_schedule", "call-list": "take_call_ins", "place": "manage_schedule",
            "revive": "manage_schedule", "cancel": "manage_schedule", "plan": "manage_schedule",
            "calendar-link": "view_schedule", "week": "view_schedule", "export": "export",
        },
    ),
    "attendance_flag": Table(
        "view_flags",
        verbs={
            "make_ups": "book", "acknowledge": "work_flags", "outreach": "work_flags",
            "assign": "work_flags", "snooze": "work_flags", "week-note": "work_flags",
            "resolve": "work_flags", "welfare-check": "manage_episodes", "export": "export",
        },
    ),
    "attendance_reportdelivery": Table(
        "view_reports", whose="staff",
        verbs={"send-again": "work_flags", "send-failed": "work_flags"},
    ),
    "attendance_dataimport": Table(
        "import", whose="staff",
        verbs=dict.fromkeys(
            ("bring", "template", "progress", "problems", "import", "again", "discard"), "import"
        ),
    ),
    "attendance_compliancereport": Table(
        "view_flags", verbs={"mail": "view_flags", "weekly": "view_flags", "short": "view_flags"}
    ),
    "attendance_nightlyrun": Table("view_reports", whose="staff"),
    "attendance_weekresult": Table("view_flags", verbs={"week": "view_patients"}),
    "attendance_standard": Table(
        "view_schedule", change="manage_clinic", whose="clinic",
        verbs={"replace": "manage_clinic", "end": "manage_clinic", "new": "manage_clinic"},
    ),
    "attendance_creditrule": Table(
        "view_schedule", "manage_clinic", "manage_clinic", whose="clinic"
    ),
    "attendance_absencerule": Table(
        "view_schedule", change="manage_clinic", whose="clinic",
        verbs={"replace": "manage_clinic", "new": "manage_clinic"},
    ),
}  # fmt: skip
OTHERS: Mapping[str, tuple[str, int]] = {
    "find": ("", 200),
    "new-password": ("", 200),
    "admin:index": ("", 200),
    "admin:search": ("", 200),
    "admin:app_list": ("", 200),
    "admin:password_change": ("", 200),
    "admin:password_change_done": ("", 200),
    "admin:jsi18n": ("", 200),
    "admin:login": ("", 302),
    "admin:logout": ("", 405),
    "admin:autocomplete": ("", 403),  # no field is named; see the tests of search boxes
    "admin:view_on_site": ("", 404),  # no row has a page outside
    "roster:change-over": ("", 200),
    "roster:list": ("view_schedule", 200),
    "roster:day": ("record_attendance", 200),
    "roster:session": ("record_attendance", 200),
    "roster:day-sign-in": ("view_schedule", 200),
    "roster:session-sign-in": ("view_schedule", 200),
}
"""Pages of no table: the permission ("": whoever has signed in), and the answer."""
NOT_TAKEN = {
    ("GET", "admin:autocomplete"),  # what is typed is posted
    *(("POST", name) for name in OTHERS if name.startswith("roster:")),  # it asks the REST API
}
ELSEWHERE = {"calendar"}
"""Its address is the only key, whoever has signed in or not: tests/scheduling/test_feed.py."""
LEADS_ON = {"weekly": 302}
"""Verbs that answer something else than a page."""
ASKS_THE_ROW = {"admin:attendance_standard_change"}
"""Changed only before a week was judged by it: of no row the answer is no."""
HIDDEN = {"weekly", "short"}
"""Links of a mail: to whoever sees no report there is none."""


@dataclass(frozen=True)
class Party:
    """A therapist, and one row of each table that is theirs or their clinic's."""

    clinic: Clinic
    user: User
    rows: Rows
    alone: Session
    """One of no group."""

    def address(self, page: Page) -> str:
        if page.wants == ("session",):
            return page.address(self.rows | {Session: self.alone})
        return page.address(self.rows)

    @property
    def own(self) -> set[str]:
        """What only the therapist and whoever sees the whole clinic may read."""
        patient: Patient = self.rows[Patient]
        return {patient.last_name, patient.record_number, self.rows[Group].name}

    @property
    def all(self) -> set[str]:
        """What nobody of another clinic may read."""
        named = [row.name for row in self.rows.values() if getattr(row, "name", "")]
        return self.own | {name for name in named if len(name) > len("Bob Smith")}

    def addresses(self, whose: set[str]) -> set[str]:
        """Of the pages of the rows that are the therapist's own, the clinic's, for other staff."""
        return {
            reverse(f"admin:{name}_change", args=[row.pk])
            for model, row in self.rows.items()
            if (name := f"{model._meta.app_label}_{model._meta.model_name}") in TABLES
            and TABLES[name].whose in whose
        }


@dataclass(frozen=True)
class Person:
    """Who asks. No `role`: not signed in, or nobody here any more."""

    client: Client
    user: User | None
    clinic: Clinic | None = None
    role: str = ""
    also: Clinic | None = None
    """Where they could work as well, and do not now."""

    def may(self, *needs: str) -> bool:
        return all(need in MAY[self.role] for need in needs)

    def sees(self, party: Party, whose: str = "own") -> bool:
        if party.clinic != self.clinic:
            return False
        if self.role != "therapist":
            return True
        return whose == "clinic" or (whose == "own" and party.user == self.user)

    def secrets(self, parties: Mapping[str, Party]) -> set[str]:
        """What no page may show this person."""
        hidden: set[str] = set()
        for party in parties.values():
            if not self.sees(party, "clinic"):
                hidden |= party.all | party.addresses({"own", "clinic", "staff"})
            elif not self.sees(party):
                hidden |= party.own | party.addresses({"own"})
        return hidden - ({self.also.name} if self.also else set())


@dataclass(frozen=True)
class Cast:
    parties: dict[str, Party]
    people: dict[str, Person]


def build() -> Cast:
    here, there = factories.ClinicFactory(), factories.ClinicFactory()
    shared = clinic_rows(here)
    alice, bob = _party(here, shared), _party(here, shared, hour=11)
    carol = _party(there, clinic_rows(there))
    return Cast({"alice": alice, "bob": bob, "carol": carol}, _people(here, alice, carol))


def _party(clinic: Clinic, shared: Rows, hour: int = 9) -> Party:
    user = factories.staff(clinic, Role.THERAPIST)
    own: Rows = {Clinic: clinic}
    rows = own | shared | therapist_rows(user, shared, hour=hour)
    therapist = rows[Therapist]
    alone = factories.session(
        clinic, DAY.isoformat(), f"{hour + 4}:00", f"{hour + 5}:00", therapist=therapist
    )
    ComplianceReport.objects.create(
        clinic=clinic, run=rows[ComplianceReport].run, local_date=DAY, content={},
        therapist=therapist, kind=ComplianceReport.Kind.WEEKLY,
    )  # fmt: skip
    source, report = rows[ReferralSource], rows[ComplianceReport]
    source.name = f"Hospital {clinic.pk:05}"  # that nothing else in an answer could contain
    source.save()
    report.content = dict(QUIET)
    report.save()
    files = rows[DataImport]
    files.listing = listed([])
    files.save()
    return Party(clinic, user, rows, alone)


def _people(here: Clinic, alice: Party, carol: Party) -> dict[str, Person]:
    found = {
        role: _signed_in(factories.staff(here, Role(role)), here, role)
        for role in MAY
        if role != "therapist"
    }
    factories.staff(here, Role.FRONT_DESK, user=carol.user)
    User.objects.filter(pk=carol.user.pk).update(current_clinic=carol.clinic)
    late = factories.staff(here, Role.AUDITOR, ends_on="2026-03-01")
    out = factories.staff(here, Role.ADMINISTRATOR)
    root = User.objects.create_superuser("root@example.com", "x", name="Root")
    found |= {
        "therapist": _signed_in(alice.user, here, "therapist"),
        "another clinic's": _signed_in(factories.staff(carol.clinic), carol.clinic, "coordinator"),
        "in two clinics": replace(_signed_in(carol.user, carol.clinic, "therapist"), also=here),
        "auditor past the date": _signed_in(late),
        "deactivated": _signed_in(out),
        "superuser of no clinic": _signed_in(root),
        "nobody": Person(Client(), None),
    }
    User.objects.filter(pk=out.pk).update(is_active=False)
    return found


def _signed_in(user: User, clinic: Clinic | None = None, role: str = "") -> Person:
    client = Client()
    client.force_login(user)
    return Person(client, user, clinic, role)


# --- what is expected ----------------------------------------------------------------------------


def table_of(page: Page) -> Table | None:
    if page.model is None:
        return None
    return TABLES[f"{page.model._meta.app_label}_{page.model._meta.model_name}"]


def expected(person: Person, page: Page, party: Party, method: str) -> int:
    """The answer to a GET; to a POST, whether it is denied: anything else is the page's own."""
    if not person.role:
        return 200 if page.name == "admin:login" else LOGIN
    table = table_of(page)
    if table is None:
        return 405 if (method, page.name) in NOT_TAKEN else _of_no_table(person, page, party)
    needs = _needs(table, page, method)
    if page.last in ("change", "delete") and not person.may(*needs):
        return DENIED  # asked first: nobody learns whether there is a row
    if page.name in ASKS_THE_ROW and method == "POST" and not person.sees(party, table.whose):
        return DENIED
    sees = person.sees(party, table.whose) or not page.of_a_row or "start" in page.wants
    if not sees or (page.last in HIDDEN and not person.may(table.view)):
        return UNSEEN
    return LEADS_ON.get(page.last, 200) if person.may(*needs) else DENIED


def _needs(table: Table, page: Page, method: str) -> tuple[str, ...]:
    match page.last:
        case "changelist":
            return (table.view,)
        case "change":
            return (table.view, *([table.change] if method == "POST" else []))
        case "add":
            return (table.view, table.add)
        case "history":
            return (table.view, "view_audit")
        case "delete":
            return ("",)  # nobody may: rows end, or are withdrawn
    sees = [table.view] if "object_id" in page.wants else []
    return (*sees, table.verbs[page.last])


def _of_no_table(person: Person, page: Page, party: Party) -> int:
    needs, gives = OTHERS[page.name]
    if page.of_a_row and page.name.startswith("roster:") and not person.sees(party):
        return UNSEEN
    return gives if not needs or person.may(needs) else DENIED
