"""The demo clinic: the figures it promises, its stories, and its logins."""

import datetime
import random

import pytest
from django.db import transaction

from attendance.compliance.evaluation import evaluate
from attendance.compliance.findings import PAPERS_AND_PLACES
from attendance.compliance.status import week_statuses
from attendance.demo import files, neighbor
from attendance.demo.courses import Calendar, Casting
from attendance.demo.files import demo_tables
from attendance.demo.loading import DemoWrong, Expectation, check, count, load_demo
from attendance.models import AbsenceRule, AttendanceRecord, Flag
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, Membership, User
from iop_clinic.accounts.roles import Can, Role
from patients.models import Episode, TreatmentPlan
from patients.rules import age_on
from scheduling.models import Booking, Group, GroupMembership, Session, SessionStaff

SATURDAY = datetime.datetime(2026, 11, 21, 20, tzinfo=datetime.UTC)
MONDAY = datetime.datetime(2026, 7, 6, 13, tzinfo=datetime.UTC)
CLOCKS_CHANGE = datetime.datetime(2026, 11, 4, 20, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
AUTHORIZATION = AbsenceRule.Kind.AUTHORIZATION_ENDING


# --- the files, without a database -------------------------------------------------------------


@pytest.mark.parametrize("weekday", range(7))
def test_files_keep_their_shape_on_every_weekday(weekday):
    tables = demo_tables(files.SEED, MONDAY.date() + DAY * weekday)
    sizes = {name: len(tables[name]) for name in ("staff", "rooms", "groups", "waitlist")}
    assert sizes == {"staff": 10, "rooms": 6, "groups": 4, "waitlist": 4}
    active = [row for row in tables["episodes"] if row.get("admitted_on")]
    assert sum(row["discharged_on"] is None for row in active) == 40


def test_same_seed_and_date_same_files():
    assert demo_tables(7, MONDAY.date()) == demo_tables(7, MONDAY.date())
    assert demo_tables(7, MONDAY.date()) != demo_tables(8, MONDAY.date())


@pytest.mark.parametrize("seed", range(5))
def test_six_or_seven_admissions_and_discharges_a_week(seed):
    rows = [r for r in demo_tables(seed, MONDAY.date())["episodes"] if r.get("admitted_on")]
    weeks = [MONDAY.date() - 7 * DAY * n for n in range(1, 13)]
    for start in weeks:
        left = sum(
            row["discharged_on"] is not None and start <= row["discharged_on"] < start + 7 * DAY
            for row in rows
        )
        began = sum(start <= row["admitted_on"] < start + 7 * DAY for row in rows)
        assert 5 <= left <= 8
        assert 5 <= began <= 8


@pytest.mark.parametrize("seed", range(10))
def test_nobody_is_in_two_places(seed):
    """Therapists, rooms and patients of the weekly blocks, in the weeks to come."""
    blocks = [row for row in demo_tables(seed, MONDAY.date())["blocks"] if not row["valid_until"]]
    members: dict[str, list[str]] = {}
    for row in demo_tables(seed, MONDAY.date())["memberships"]:
        if row["ends_on"] is None:
            members.setdefault(row["group"], []).append(row["record_number"])
    taken = []
    for block in blocks:
        people = members.get(block.get("group", ""), [block["record_number"]])
        who = [block["facilitator"], block.get("co_facilitator"), block["room"], *people]
        taken += [(x, block["weekday"], block["starts"], block["ends"]) for x in who if x]
    for name, weekday, starts, ends in taken:
        same = [t for t in taken if t[:2] == (name, weekday) and t[2] < ends and starts < t[3]]
        assert len(same) == 1


def test_people_are_plainly_invented():
    tables = demo_tables(files.SEED, MONDAY.date())
    phones = {row["phone"] for row in tables["patients"]}
    assert all(phone.startswith("203-555-01") for phone in phones)
    emails = {row["email"] for row in tables["staff"]}
    assert all(email.endswith("@example.com") for email in emails)


# --- one full load: the fixture is shared by the tests below -----------------------------------


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker, tmp_path_factory):
    """The demo of a Saturday, loaded once and rolled back after this module."""
    with django_db_blocker.unblock(), transaction.atomic():
        said = load_demo(folder=tmp_path_factory.mktemp("demo"), now=SATURDAY)
        yield said
        transaction.set_rollback(True)


@pytest.fixture
def clinic(loaded, db):
    return Clinic.objects.get(name=files.NAME)


def course(clinic, story):
    """The episode of a story, by what is told of it in the files."""
    courses = Casting(random.Random(files.SEED), Calendar(SATURDAY.date())).run()
    record = next(c for c in courses if c.story == story).person.record
    return Episode.objects.filter(clinic=clinic, patient__record_number=record).latest("pk")


def last_week(episode):
    monday = SATURDAY.date() - 12 * DAY
    weeks = week_statuses(
        clinic=episode.clinic_id, episode_ids=[episode.pk], weeks=[monday], now=SATURDAY
    )
    return weeks[episode.pk, monday]


def test_loading_prints_the_counts(loaded):
    assert any("patients in treatment" in line and line.endswith(" 40") for line in loaded)
    assert loaded[-1].startswith("Harbor Point Counseling from")


def test_loading_again_says_so(clinic, tmp_path):
    before = [model.objects.count() for model in (Episode, Session, Booking, AttendanceRecord)]
    assert load_demo(folder=tmp_path, now=SATURDAY + 3 * DAY) == [
        "Riverside IOP is already loaded.",
        "Harbor Point Counseling is already loaded.",
    ]
    after = [model.objects.count() for model in (Episode, Session, Booking, AttendanceRecord)]
    assert after == before


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("admin@example.com", Role.ADMINISTRATOR),
        ("coordinator@example.com", Role.COORDINATOR),
        ("frontdesk@example.com", Role.FRONT_DESK),
        ("therapist@example.com", Role.THERAPIST),
        ("therapist2@example.com", Role.THERAPIST),
        ("reviewer@example.com", Role.UTILIZATION_REVIEW),
    ],
)
def test_logins(clinic, email, role):
    user = User.objects.get(email=email)
    assert user.check_password("demo-clinic")
    assert Membership.objects.get(user=user, clinic=clinic).role == role


def test_the_outsider_sees_nothing_of_the_first_clinic(clinic):
    outsider = User.objects.get(email="outsider@example.com")
    seen = Episode.objects.visible_to(outsider)
    assert {episode.clinic.name for episode in seen} == {neighbor.NAME}
    assert seen.count() == 6
    assert not outsider.may(Can.VIEW_PATIENTS, clinic)


def test_therapist_leads_group_a_and_can_fill_in_its_last_roster(clinic):
    therapist = Membership.objects.get(user__email="therapist@example.com").therapist
    led = SessionStaff.objects.filter(therapist=therapist, session__group__isnull=False)
    assert set(led.values_list("session__group__name", flat=True)) == {"Group A"}
    friday = SATURDAY.date() - DAY
    open_ = Booking.objects.filter(session__group__name="Group A", attendance=None)
    led_by = open_.filter(session__local_date=friday).values_list("session__staff__therapist")
    assert set(led_by) == {(therapist.pk,)}


def test_group_b_is_full_and_group_d_under_its_viable_size(clinic):
    today = GroupMembership.objects.on(SATURDAY.date())
    b, d = (Group.objects.get(clinic=clinic, name=f"Group {key}") for key in "BD")
    assert (today.filter(group=b).count(), b.capacity) == (14, 14)
    assert (today.filter(group=d).count(), d.min_size) == (6, 7)


@pytest.mark.parametrize(
    ("story", "credited", "days"),
    [
        ("perfect", 590, 3),
        ("friday_skipper", 410, 2),  # 6 h 50
        ("surgery", 0, 0),
        ("late_every_evening", 530, 0),
        ("make_up", 590, 3),
    ],
)
def test_stories_of_the_last_closed_week(clinic, story, credited, days):
    week = last_week(course(clinic, story))
    assert (week.credited, week.days) == (credited, days)


def test_two_groups_is_over_twenty_hours(clinic):
    week = last_week(course(clinic, "two_groups"))
    assert week.credited == 1230
    assert week.program().judgement.over_maximum


def test_make_up_as_a_guest(clinic):
    repairs = Booking.objects.filter(makes_up__isnull=False, clinic=clinic)
    assert set(repairs.values_list("session__group__name", flat=True)) == {"Group A"}
    assert {b.makes_up.session.group.name for b in repairs} == {"Group B"}
    assert repairs.count() == 3


def test_dropout_after_two_sessions(clinic):
    episode = course(clinic, "dropout")
    records = AttendanceRecord.objects.filter(booking__episode=episode, credited_minutes__gt=0)
    assert records.filter(booking__session__group__isnull=False).count() == 2


def test_step_down_has_two_plans(clinic):
    plans = TreatmentPlan.objects.filter(episode=course(clinic, "step_down")).order_by("starts_on")
    assert list(plans.values_list("level", flat=True)) == [3, 2]


def test_adolescent_turns_18_within_the_episode(clinic):
    patient = course(clinic, "turning_18").patient
    today = SATURDAY.date()
    assert (age_on(patient.birth_date, today), age_on(patient.birth_date, today + 10 * DAY)) == (
        17,
        18,
    )


def test_transfer_in_the_middle_of_a_week(clinic):
    seats = GroupMembership.objects.filter(episode=course(clinic, "transfer")).order_by("starts_on")
    before, after = seats
    assert (before.group.name, before.ends_on) == ("Group B", after.starts_on - DAY)
    assert (after.group.name, after.starts_on.weekday()) == ("Group A", 2)


def test_readmission_after_60_days(clinic):
    back = course(clinic, "readmission")
    former = Episode.objects.filter(patient=back.patient).exclude(pk=back.pk).get()
    assert (back.admitted_on - former.discharged_on).days == 60


def test_snow_day_was_cancelled_by_the_clinic(clinic):
    snow = Session.objects.filter(clinic=clinic, closure__reason="Snow day")
    assert snow.count() > 8
    assert not AttendanceRecord.objects.filter(booking__session__in=snow).exists()


def test_a_therapist_is_on_leave_for_a_day(clinic):
    away = Session.objects.filter(clinic=clinic).exclude(needs_attention="")
    assert {s.local_date for s in away} == {datetime.date(2026, 11, 25)}
    assert all(s.needs_attention == "No leader: Mo Familiari has time off" for s in away)


PAPERS_FOUND = [
    ("AUTHORIZATION_ENDING", "ahead", 1),  # runs out four days early
    ("AUTHORIZATION_ENDING", "near", 2),  # ends in three days
    ("AUTHORIZATION_ENDING", "near", 2),  # ends in two days
    ("AUTHORIZATION_ENDING", "now", 3),  # ends tomorrow
    ("AUTHORIZATION_ENDING", "over", 3),  # lapsed two days ago
    ("CERTIFICATION_DUE", "near", 2),  # due in five days
    ("GROUP_TOO_SMALL", "", 2),
    ("AGE_BRACKET", "ahead", 1),  # turns 18 in ten days
]
"""Rule, stage and severity of what the first night says about papers and places, and nothing else
(DOMAIN: the demo clinic)."""


def papers_found(clinic, now):
    """The cases of papers and places that stand open after the night before `now`."""
    today = now.astimezone(clinic.tz).date()
    evaluate(clinic=clinic, local_date=today - DAY, by=Job("nightly"), now=now)
    flags = Flag.objects.filter(clinic=clinic, rule__in=PAPERS_AND_PLACES).open().order_by("rule")
    told = [(AbsenceRule.Kind(f.rule).name, f.evidence.get("stage", ""), f.severity) for f in flags]
    order = list(AbsenceRule.Kind.__members__)
    return sorted(told, key=lambda one: (order.index(one[0]), one[1], one[2]))


def test_the_first_night_finds_the_papers_that_are_due_and_no_others(clinic):
    assert papers_found(clinic, SATURDAY) == PAPERS_FOUND
    early = Flag.objects.get(clinic=clinic, rule=AUTHORIZATION, evidence__stage="ahead")
    assert "run out on Mon Dec 14, 4 days early" in early.sentence


def test_counts_outside_their_range_are_an_error():
    with pytest.raises(DemoWrong, match="patients: 39, not 40 to 40"):
        check([Expectation("patients", 39, 40, 40)])


def test_no_demo_in_production(settings, tmp_path):
    settings.MODE = "production"
    with pytest.raises(DemoWrong, match="demo mode only"):
        load_demo(folder=tmp_path, now=SATURDAY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.soak
@pytest.mark.django_db
@pytest.mark.parametrize("now", [MONDAY, CLOCKS_CHANGE, SATURDAY], ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counts_hold_for_any_seed_and_day(tmp_path, now, seed):
    load_demo(folder=tmp_path, now=now, seed=seed)
    clinic = Clinic.objects.get(name=files.NAME)
    check(count(clinic, now.date(), now))
    drawn = "NO_FIRST_SESSION"  # whoever began last week may have missed every day so far
    assert [one for one in papers_found(clinic, now) if one[0] != drawn] == PAPERS_FOUND
