"""The files of a clinic, column by column: the format of docs/import.md as data."""

from __future__ import annotations

from functools import partial

from django.db.models import Choices

from attendance.imports import cells
from attendance.imports.cells import Choice, Number, Text
from attendance.imports.columns import Column, Table
from attendance.models import AttendanceRecord
from attendance.models.records import AbsenceReason
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.roles import Role
from patients.models import AgeBracket, Authorization, Episode, EpisodeHold, Level, Program
from scheduling.models import Group, SessionType


def _options(choices: type[Choices]) -> Choice:
    """The values of a text choice as they are stored."""
    return Choice({str(value): value for value in choices.values if value != ""})


must = partial(Column, required=True)
key = partial(Column, required=True, key=True)
names = Text(120)
record = key("record_number", Text(30), names="patients")
date, time, yes_no = cells.date, cells.time, cells.yes_no
level = Choice({"op": Level.OP, "iop": Level.IOP, "php": Level.PHP})
bracket = Choice({"adult": AgeBracket.ADULT, "adolescent": AgeBracket.ADOLESCENT})
weekday = Choice({day.name.lower(): day.value for day in Weekday})
DATES = (("starts_on", "ends_on"),)


def _phone(name: str) -> Column:
    return Column(name, cells.phone, plus=True)


CLINIC = Table(
    "clinic",
    (
        key("name", names),
        must("zone", Text(60)),
        Column("state", Text(2)),
        _phone("phone"),
        Column("week_starts_on", weekday),
    ),
)
STAFF = Table(
    "staff",
    (
        key("email", cells.email),
        must("name", names),
        must("role", _options(Role)),
        Column("credentials", Text(60)),
        _phone("phone"),
        Column("license_credential", Text(20)),
        Column("license_state", Text(2)),
        Column("license_number", Text(40)),
        Column("license_expires_on", date),
        Column("license_may_diagnose", yes_no),
        Column("access_until", date),
    ),
)
ROOMS = Table("rooms", (key("name", Text(60)), must("seats", Number(1, 500))))
SESSION_TYPES = Table(
    "session_types",
    (
        key("name", Text(60)),
        must("kind", _options(SessionType.Kind)),
        Column("creditable", yes_no),
        Column("ceiling", Number(1, 200)),
        Column("credentials", cells.credentials),
    ),
)
PROGRAMS = Table(
    "programs",
    (
        key("name", Text(80)),
        must("kind", _options(Program.Kind)),
        Column("part2", yes_no),
    ),
)
PAYERS = Table(
    "payers",
    (
        key("name", names),
        Column("needs_authorization", yes_no),
        Column("certification_days", Number(1, 366)),
        _phone("phone"),
    ),
)
PATIENTS = Table(
    "patients",
    (
        key("record_number", Text(30)),
        must("first_name", Text(60)),
        must("last_name", Text(60)),
        must("birth_date", date),
        Column("preferred_name", Text(60)),
        Column("pronouns", Text(30)),
        _phone("phone"),
        *(
            Column(name, yes_no)
            for name in (
                "phone_is_safe",
                "may_leave_voicemail",
                "may_text",
                "may_say_clinic_name",
            )
        ),
        Column("best_time_to_call", Text(60)),
        Column("email", cells.email),
        Column("emergency_name", names),
        _phone("emergency_phone"),
        Column("emergency_relation", Text(40)),
        Column("emergency_consent", yes_no),
        Column("guardian_name", names),
        _phone("guardian_phone"),
        Column("guardian_relation", Text(40)),
    ),
)
COVERAGES = Table(
    "coverages",
    (
        record,
        key("payer", names, names="payers"),
        key("starts_on", date),
        Column("member_number", Text(40)),
        Column("ends_on", date),
        Column("verified_on", date),
        Column("verification_due_on", date),
    ),
    in_order=DATES,
)
EPISODES = Table(
    "episodes",
    (
        record,
        must("program", Text(80), names="programs"),
        key("referred_on", date),
        Column("referral_source", names),
        Column("admitted_on", date),
        Column("discharged_on", date),
        Column("discharge_reason", _options(Episode.DischargeReason)),
        Column("primary_therapist", cells.email, names="therapists"),
        Column("planned_weeks", Number(1, 52)),
        Column("priority", _options(Episode.Priority)),
        Column("priority_until", date),
        Column("evaluated_on", date),
        Column("diagnosis", Text(10)),
        Column("diagnosed_on", date),
        Column("agreement_signed_on", date),
        Column("court", names),
    ),
    in_order=(
        ("referred_on", "admitted_on"),
        ("admitted_on", "discharged_on"),
        ("referred_on", "evaluated_on"),
        ("referred_on", "diagnosed_on"),
        ("referred_on", "agreement_signed_on"),
    ),
)
PLANS = Table(
    "plans",
    (
        record,
        key("starts_on", date),
        must("level", level),
        must("age_bracket", bracket),
        must("weekly_minutes", Number(0, 2400, "minutes"), field="weekly_minutes_target"),
        must("days_per_week", Number(1, 7)),
        Column("ends_on", date),
        Column("review_due_on", date),
    ),
    in_order=DATES,
)
AUTHORIZATIONS = Table(
    "authorizations",
    (
        must("record_number", Text(30), names="patients"),
        key("payer", names, names="payers"),
        key("number", Text(60)),
        must("unit", _options(Authorization.Unit)),
        must("units", Number(1, 5000)),
        must("starts_on", date),
        must("ends_on", date),
        Column("next_review_on", date),
        Column("level", level),
    ),
    in_order=DATES,
)
CERTIFICATIONS = Table(
    "certifications",
    (
        record,
        key("certified_on", date),
        must("due_again_on", date),
        Column("certified_by", names),
    ),
    in_order=(("certified_on", "due_again_on"),),
)
HOLDS = Table(
    "holds",
    (
        record,
        must("reason", _options(EpisodeHold.Reason)),
        key("starts_on", date),
        Column("ends_on", date),
    ),
    in_order=DATES,
)
GROUPS = Table(
    "groups",
    (
        key("name", Text(40)),
        must("program", Text(80), names="programs"),
        Column("level", level),
        Column("age_bracket", bracket),
        Column("population", _options(Group.Population)),
        must("capacity", Number(8, 15)),
        Column("min_size", Number(1, 15)),
    ),
)
BLOCKS = Table(
    "blocks",
    (
        Column("group", Text(40), key=True, names="groups"),
        Column("record_number", Text(30), key=True, names="patients"),
        key("weekday", weekday),
        key("starts", time, field="starts_at"),
        must("ends", time, field="ends_at"),
        Column("breaks", cells.breaks),
        must("session_type", Text(60), names="session_types"),
        must("facilitator", cells.email, names="therapists"),
        Column("co_facilitator", cells.email, names="therapists"),
        Column("room", Text(60), names="rooms"),
        Column("by_video", yes_no),
        Column("off_site", Text(80)),
        Column("every_weeks", Number(1, 2)),
        key("valid_from", date),
        Column("valid_until", date),
    ),
    in_order=(("starts", "ends"), ("valid_from", "valid_until")),
    one_of=("group", "record_number"),
)
MEMBERSHIPS = Table(
    "memberships",
    (
        key("group", Text(40), names="groups"),
        record,
        key("starts_on", date),
        Column("ends_on", date),
        Column("seat", Number(1, 15)),
        Column("population_opt_in", yes_no),
    ),
    in_order=DATES,
)
WAITLIST = Table(
    "waitlist",
    (
        key("group", Text(40), names="groups"),
        record,
        must("added_on", date, field="added_at"),
    ),
)
CLOSURES = Table(
    "closures",
    (
        key("starts_on", date),
        key("ends_on", date),
        key("reason", names),
        Column("from_time", time),
        Column("to_time", time),
        Column("room", Text(60), names="rooms"),
    ),
    in_order=(*DATES, ("from_time", "to_time")),
)
TIME_OFF = Table(
    "time_off",
    (
        key("therapist", cells.email, names="therapists"),
        key("starts", cells.moment, field="starts_at"),
        must("ends", cells.moment, field="ends_at"),
        Column("reason", names),
    ),
    in_order=(("starts", "ends"),),
)
MAKE_UPS = Table(
    "make_ups",
    (
        record,
        key("date", date),
        key("start", time),
        must("missed_date", date),
        must("missed_start", time),
        Column("group", Text(40), names="groups"),
    ),
)
ATTENDANCE = Table(
    "attendance",
    (
        record,
        key("date", date),
        key("start", time),
        must("attended", yes_no),
        Column("arrived", cells.exact_time, field="arrived_at"),
        Column("left", cells.exact_time, field="left_at"),
        Column("notified", cells.moment, field="notified_at"),
        Column("reason", _options(AbsenceReason), field="absence_reason"),
        Column("proof", _options(AttendanceRecord.Proof)),
    ),
    in_order=(("arrived", "left"),),
)
LONG_LIST = Table(
    "long_list",
    (
        record,
        key("date", date),
        key("start", time),
        must("end", time),
        must("attended", yes_no),
    ),
    in_order=(("start", "end"),),
)

TABLES = (
    CLINIC,
    STAFF,
    ROOMS,
    SESSION_TYPES,
    PROGRAMS,
    PAYERS,
    PATIENTS,
    COVERAGES,
    EPISODES,
    PLANS,
    AUTHORIZATIONS,
    CERTIFICATIONS,
    HOLDS,
    GROUPS,
    BLOCKS,
    MEMBERSHIPS,
    WAITLIST,
    CLOSURES,
    TIME_OFF,
    MAKE_UPS,
    ATTENDANCE,
)
"""In the order in which rows may name rows of other files."""

ABOUT, README = "About", "README.txt"
"""The sheet, or the file in a zip, in which an export says what must be known of it: no table."""
