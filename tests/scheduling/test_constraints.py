"""Each named rule of the scheduling tables, broken by raw SQL: it refuses, and it alone.

`BREAKS` says how; a meta-test fails when a constraint of any model has no entry. Every break is
tried twice: the database names the constraint, and without the constraint the same SQL goes
through. So no test passes because something else stood in the way.
"""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import BaseConstraint, Model
from django.db.models.constraints import UniqueConstraint

from iop_clinic.accounts.constraints import Audited, violation
from iop_clinic.accounts.models import AuditEvent
from tests.scheduling.breaking import Rows, change, copy, rows

pytestmark = pytest.mark.django_db

Break = Callable[[Rows, Rows], None]
"""Own rows and those of another clinic."""

EARLIER, LATER = "2026-02-01", "2026-04-01"
NINE_TO_TEN_PAST = {"starts_at": "2026-03-02T14:45Z", "ends_at": "2026-03-02T15:15Z"}

BREAKS: dict[str, Break] = {
    "room_name_unique": lambda w, o: copy(w.room),
    "room_has_seats": lambda w, o: change(w.room, seats=0),
    "room_holds_its_sessions": lambda w, o: change(_to_come(w).room, seats=11),
    "sessiontype_name_unique": lambda w, o: copy(w.kind),
    "sessiontype_ceiling_1_to_200": lambda w, o: change(w.kind, ceiling=201),
    "sessiontype_credentials_listed": lambda w, o: change(w.kind, credentials='["lcsw"]'),
    "sessiontype_creditable_stays": lambda w, o: change(w.kind, creditable=False),
    "closure_room_same_clinic": lambda w, o: change(w.closure, room_id=o.room.pk),
    "closure_ends_after_start": lambda w, o: change(w.closure, ends_on=EARLIER),
    "closure_times_in_order": lambda w, o: change(w.closure, from_time="10:00", to_time="09:00"),
    "closure_once": lambda w, o: copy(w.closure),
    "timeoff_therapist_same_clinic": lambda w, o: change(
        w.time_off, therapist_id=o.therapist.pk, starts_at="2026-01-05Z", ends_at="2026-01-06Z"
    ),
    "timeoff_ends_after_start": lambda w, o: change(w.time_off, ends_at=w.time_off.starts_at),
    "timeoff_once": lambda w, o: copy(w.time_off),
    "decision_closure_same_clinic": lambda w, o: change(w.decision, closure_id=o.closure.pk),
    "decision_time_off_same_clinic": lambda w, o: change(
        w.about_time_off, time_off_id=o.time_off.pk
    ),
    "decision_session_same_clinic": lambda w, o: change(w.decision, session_id=o.session.pk),
    "decision_was_room_same_clinic": lambda w, o: change(w.decision, was_room_id=o.room.pk),
    "decision_to_room_same_clinic": lambda w, o: change(w.decision, to_room_id=o.room.pk),
    "decision_substitute_same_clinic": lambda w, o: change(
        w.decision, choice="covered", substitute_id=o.therapist.pk
    ),
    "decision_into_same_clinic": lambda w, o: change(
        w.decision, choice="combined", into_id=o.session.pk
    ),
    "decision_of_one_cause": lambda w, o: change(w.decision, closure_id=None),
    "decision_once_per_closure": lambda w, o: copy(w.decision),
    "decision_once_per_time_off": lambda w, o: copy(w.about_time_off),
    "decision_choice_known": lambda w, o: change(w.decision, choice="left"),
    "decision_moved_has_time": lambda w, o: change(w.decision, choice="moved"),
    "decision_covered_has_substitute": lambda w, o: change(w.decision, choice="covered"),
    "decision_combined_has_other": lambda w, o: change(w.decision, choice="combined"),
    "told_closure_same_clinic": lambda w, o: change(w.told, closure_id=o.closure.pk),
    "told_time_off_same_clinic": lambda w, o: change(w.told_of_time_off, time_off_id=o.time_off.pk),
    "told_session_same_clinic": lambda w, o: change(w.told_of_session, session_id=o.session.pk),
    "told_episode_same_clinic": lambda w, o: change(w.told, episode_id=o.episode.pk),
    "told_therapist_same_clinic": lambda w, o: change(
        w.told, episode_id=None, therapist_id=o.therapist.pk
    ),
    "told_of_one_cause": lambda w, o: change(w.told, closure_id=None),
    "told_to_one_person": lambda w, o: change(w.told, therapist_id=w.therapist.pk),
    "told_once_of_closure": lambda w, o: copy(w.told),
    "told_once_of_time_off": lambda w, o: copy(w.told_of_time_off),
    "told_once_of_session": lambda w, o: copy(w.told_of_session),
    # --- groups ---
    "group_program_same_clinic": lambda w, o: change(w.group, program_id=o.program.pk),
    "group_name_unique": lambda w, o: copy(w.group),
    "group_capacity_8_to_15": lambda w, o: change(w.group, capacity=16),
    "group_min_size_within_capacity": lambda w, o: change(w.group, min_size=10),
    "group_capacity_covers_members": lambda w, o: change(w.group, capacity=8),
    "weeklyblock_group_same_clinic": lambda w, o: change(w.block, group_id=o.group.pk),
    "weeklyblock_episode_same_clinic": lambda w, o: change(w.own_block, episode_id=o.episode.pk),
    "weeklyblock_session_type_same_clinic": lambda w, o: change(w.block, session_type_id=o.kind.pk),
    "weeklyblock_facilitator_same_clinic": lambda w, o: change(
        w.block, facilitator_id=o.therapist.pk
    ),
    "weeklyblock_co_facilitator_same_clinic": lambda w, o: change(
        w.block, co_facilitator_id=o.therapist.pk
    ),
    "weeklyblock_room_same_clinic": lambda w, o: change(w.block, room_id=o.room.pk),
    "weeklyblock_continues_same_clinic": lambda w, o: change(w.block, continues_id=o.block.pk),
    "weeklyblock_of_group_or_episode": lambda w, o: change(w.block, episode_id=w.episode.pk),
    "weeklyblock_in_one_place": lambda w, o: change(w.block, by_video=True, off_site="Main St"),
    "weeklyblock_ends_after_start": lambda w, o: change(w.block, ends_at="09:00"),
    "weeklyblock_breaks_inside": lambda w, o: change(w.block, breaks="[[50, 70]]"),
    "weeklyblock_weekday_known": lambda w, o: change(w.block, weekday=7),
    "weeklyblock_every_one_or_two_weeks": lambda w, o: change(w.block, every_weeks=3),
    "weeklyblock_valid_dates_in_order": lambda w, o: change(w.block, valid_until="2025-01-01"),
    "weeklyblock_two_facilitators_differ": lambda w, o: change(
        w.block, co_facilitator_id=w.therapist.pk
    ),
    "groupmembership_group_same_clinic": lambda w, o: change(
        w.membership, group_id=o.group.pk, seat=2
    ),
    "groupmembership_episode_same_clinic": lambda w, o: change(
        w.membership, episode_id=o.episode.pk
    ),
    "groupmembership_transferred_from_same_clinic": lambda w, o: change(
        w.membership, transferred_from_id=o.membership.pk
    ),
    "groupmembership_seat_1_to_15": lambda w, o: change(
        w.membership, seat=16, overflow_reason="Transfer", overflow_by_id=w.user.pk
    ),
    "groupmembership_ends_after_start": lambda w, o: change(w.membership, ends_on=EARLIER),
    "groupmembership_overflow_has_author": lambda w, o: change(
        w.membership, overflow_reason="Transfer"
    ),
    "groupmembership_seat_taken_once": lambda w, o: copy(
        w.membership, episode_id=w.other_episode.pk
    ),
    "groupmembership_once_per_episode": lambda w, o: copy(w.membership, seat=2),
    "groupmembership_within_capacity": lambda w, o: copy(
        w.membership, episode_id=w.other_episode.pk, seat=10
    ),
    "waitlistentry_group_same_clinic": lambda w, o: change(w.waiting, group_id=o.group.pk),
    "waitlistentry_episode_same_clinic": lambda w, o: change(w.waiting, episode_id=o.episode.pk),
    "waitlistentry_waits_once": lambda w, o: copy(w.waiting),
    # --- the waitlist ---
    "waitlistoffer_entry_same_clinic": lambda w, o: change(w.offer, entry_id=o.waiting.pk),
    "waitlistoffer_open_once": lambda w, o: copy(w.offer),
    "waitlistoffer_answer_known": lambda w, o: change(
        w.offer, answer="odd", answered_at=w.offer.made_at
    ),
    "waitlistoffer_open_until_answered": lambda w, o: change(w.offer, answer="declined"),
    "waitlistoffer_expires_after_made": lambda w, o: change(w.offer, expires_at=w.offer.made_at),
    "waitlistoffer_withdrawn_has_reason": lambda w, o: change(
        w.offer, answer="withdrawn", answered_at=w.offer.made_at
    ),
    "waitliststep_entry_same_clinic": lambda w, o: change(w.step, entry_id=o.waiting.pk),
    "waitliststep_result_known": lambda w, o: change(w.step, result="odd"),
    "waitliststep_method_of_attempts": lambda w, o: change(w.step, method=""),
    "waitliststep_passed_over_has_reason": lambda w, o: change(
        w.step, result="passed_over", method=""
    ),
    # --- sessions ---
    "session_block_same_clinic": lambda w, o: change(
        w.session, block_id=o.block.pk, original_local_date="2026-03-09"
    ),
    "session_group_same_clinic": lambda w, o: change(w.session, group_id=o.group.pk),
    "session_session_type_same_clinic": lambda w, o: change(w.session, session_type_id=o.kind.pk),
    "session_room_same_clinic": lambda w, o: change(w.session, room_id=o.room.pk),
    "session_closure_same_clinic": lambda w, o: change(w.session, closure_id=o.closure.pk),
    "session_occurrence_unique": lambda w, o: copy(w.session),
    "session_lasts_15_minutes_to_6_hours": lambda w, o: change(
        w.later, ends_at="2026-03-02T16:14Z"
    ),
    "session_local_date_of_start": lambda w, o: change(w.later, local_date="2026-03-03"),
    "session_breaks_inside": lambda w, o: change(w.later, breaks="[[30, 20]]"),
    "session_block_has_original_date": lambda w, o: change(w.session, original_local_date=None),
    "session_state_known": lambda w, o: change(w.later, state="odd"),
    "session_cancelled_has_reason": lambda w, o: change(
        w.later, state="cancelled", cancelled_at=w.later.starts_at
    ),
    "session_signed_by_someone": lambda w, o: change(w.later, signed_at=w.later.ends_at),
    "session_capacity_within_ceiling": lambda w, o: change(w.later, capacity=16),
    "session_in_one_place": lambda w, o: change(w.later, by_video=True),
    "session_fits_its_room": lambda w, o: change(_to_come(w).later, capacity=13),
    "session_room_free": lambda w, o: copy(w.later),
    "session_capacity_covers_bookings": lambda w, o: change(w.later, capacity=4),
    "sessionstaff_session_same_clinic": lambda w, o: change(w.staff, session_id=o.later.pk),
    "sessionstaff_therapist_same_clinic": lambda w, o: change(
        w.staff, therapist_id=o.second_therapist.pk
    ),
    "sessionstaff_once_per_session": lambda w, o: copy(w.staff, active=False),
    "sessionstaff_one_facilitator": lambda w, o: copy(w.staff, therapist_id=w.second_therapist.pk),
    "sessionstaff_role_known": lambda w, o: change(w.staff, role="odd"),
    "sessionstaff_substitute_access_ends": lambda w, o: change(w.staff, role="substitute"),
    "sessionstaff_therapist_free": lambda w, o: copy(w.staff, session_id=w.same_time.pk),
    # --- bookings ---
    "callin_episode_same_clinic": lambda w, o: change(w.call_in, episode_id=o.episode.pk),
    "callin_dates_in_order": lambda w, o: change(w.call_in, to_date=EARLIER),
    "callin_taken_back_by_someone": lambda w, o: change(
        w.call_in, taken_back_at="2026-03-02T10:00Z"
    ),
    "booking_session_same_clinic": lambda w, o: change(w.later_booking, session_id=o.same_time.pk),
    "booking_episode_same_clinic": lambda w, o: change(w.later_booking, episode_id=o.episode.pk),
    "booking_nested_in_same_clinic": lambda w, o: change(w.nested, nested_in_id=o.booking.pk),
    "booking_membership_same_clinic": lambda w, o: change(w.booking, membership_id=o.membership.pk),
    "booking_call_in_same_clinic": lambda w, o: change(w.booking, call_in_id=o.call_in.pk),
    "booking_makes_up_same_clinic": lambda w, o: change(w.booking, makes_up_id=o.booking.pk),
    "booking_combined_from_same_clinic": lambda w, o: change(
        w.booking, combined_from_id=o.booking.pk
    ),
    "booking_once_per_session": lambda w, o: copy(
        w.booking, state="withdrawn", withdrawn_reason="Twice"
    ),
    "booking_state_known": lambda w, o: change(w.later_booking, state="odd"),
    "booking_seat_1_to_200": lambda w, o: change(w.later_booking, seat=0),
    "booking_released_has_time": lambda w, o: change(w.later_booking, state="released"),
    "booking_withdrawn_has_reason": lambda w, o: change(w.later_booking, state="withdrawn"),
    "booking_overflow_has_author": lambda w, o: change(w.later_booking, overflow_reason="Court"),
    "booking_nested_inside_outer": lambda w, o: change(w.visit, **NINE_TO_TEN_PAST),
    "booking_seat_taken_once": lambda w, o: _another_patient(w, seat=1),
    "booking_patient_free": lambda w, o: copy(w.booking, session_id=w.same_time.pk),
    "booking_patient_free_nested": lambda w, o: copy(w.nested, session_id=w.second_visit.pk),
    "booking_within_capacity": lambda w, o: _another_patient(w, seat=13),
    "booking_within_room": lambda w, o: copy(
        _to_come(w).later_booking,
        episode_id=w.other_episode.pk,
        patient_id=w.other_episode.patient_id,
        seat=13,
        overflow_reason="Transfer",
        overflow_by_id=w.user.pk,
    ),
}


def _to_come(w: Rows) -> Rows:
    """The session at eleven is yet to come, by the clock of the database, in a room just as large.

    What is over keeps its room: it was held there."""
    times = {"starts_at": "2090-03-02T16:00Z", "ends_at": "2090-03-02T17:00Z"}
    change(w.later, **times, local_date="2090-03-02")
    change(w.room, seats=12)
    return w


def _another_patient(w: Rows, *, seat: int) -> None:
    other = w.other_episode
    copy(w.booking, episode_id=other.pk, patient_id=other.patient_id, seat=seat)


HIDDEN_BY = {"session_state_known": "session_cancelled_has_reason"}
"""Rules that another one answers for first; it is taken away before."""

ENDS_IN_DATA_ERROR = {"groupmembership_ends_after_start"}
"""Without the rule PostgreSQL itself cannot build the reversed range."""


def _constraints() -> dict[str, tuple[type[Model], BaseConstraint]]:
    return {
        constraint.name: (model, constraint)
        for model in apps.get_app_config("scheduling").get_models()
        for constraint in model._meta.constraints
    }


CONSTRAINTS = _constraints()
AUDITED = {name for name, (_, rule) in CONSTRAINTS.items() if isinstance(rule, Audited)}
KEYS = {
    name
    for name, (_, rule) in CONSTRAINTS.items()
    if isinstance(rule, UniqueConstraint) and {"clinic", "id"} <= set(rule.fields)
}
"""Unique because the primary key is; foreign keys of other tables refer to them."""

ACTING = {"booking_visits_stand_alone"}
"""Refuses nothing but changes other rows: see test_bookings.py."""


def test_every_constraint_is_broken_here() -> None:
    assert set(BREAKS) | AUDITED | KEYS | ACTING == set(CONSTRAINTS)


@pytest.mark.parametrize("name", BREAKS)
def test_the_rule_refuses_under_its_name(name: str) -> None:
    own, other = rows(), rows()
    if name in HIDDEN_BY:
        _drop(HIDDEN_BY[name])
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        BREAKS[name](own, other)
    answer = violation(caught.value)
    assert answer is not None
    assert answer.name == name


@pytest.mark.parametrize("name", BREAKS)
def test_nothing_else_refuses(name: str) -> None:
    own, other = rows(), rows()
    _drop(HIDDEN_BY.get(name, name))
    _drop(name)
    if name in ENDS_IN_DATA_ERROR:
        with pytest.raises(DataError), transaction.atomic():
            BREAKS[name](own, other)
        return
    BREAKS[name](own, other)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_key_is_unique_without_the_primary_key_too(name: str) -> None:
    model, _ = CONSTRAINTS[name]
    row = rows().of(model)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {model._meta.db_table} DROP CONSTRAINT {_pkey(model)}")
    for hiding in KEYS - {name}:
        if CONSTRAINTS[hiding][0] is model:
            _drop(hiding)
    with pytest.raises(IntegrityError, match=f'"{name}"'), transaction.atomic():
        _insert_again(row)


@pytest.mark.parametrize("name", sorted(AUDITED))
def test_a_raw_update_is_audited(name: str) -> None:
    model, _ = CONSTRAINTS[name]
    row = rows().of(model)
    events = AuditEvent.objects.filter(
        table_name=model._meta.db_table, row_id=row.pk, operation=AuditEvent.Operation.DELETE
    )
    _delete_at_any_price(row)
    assert events.count() == 1


@pytest.mark.parametrize("name", sorted(AUDITED))
def test_without_the_trigger_nothing_is_audited(name: str) -> None:
    model, _ = CONSTRAINTS[name]
    row = rows().of(model)
    _drop(name)
    before = AuditEvent.objects.filter(table_name=model._meta.db_table).count()
    _delete_at_any_price(row)
    assert AuditEvent.objects.filter(table_name=model._meta.db_table).count() == before


def _drop(name: str) -> None:
    """Take the constraint away, until the test's transaction is rolled back."""
    model, constraint = CONSTRAINTS[name]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with connection.schema_editor(collect_sql=True) as editor:
            statement = str(constraint.remove_sql(model, editor))
        drop = statement.replace("DROP CONSTRAINT", "DROP CONSTRAINT IF EXISTS")
        if "DROP CONSTRAINT" in drop:
            drop += " CASCADE"
        cursor.execute(drop.replace("DROP TRIGGER", "DROP TRIGGER IF EXISTS"))


def _pkey(model: type[Model]) -> str:
    return f"{model._meta.db_table}_pkey"


def _insert_again(row: Model) -> None:
    """The same row with the same key once more, whatever other rules say."""
    model = type(row)
    for name, (owner, rule) in CONSTRAINTS.items():
        if owner is model and name not in KEYS and not isinstance(rule, Audited):
            _drop(name)
    columns = [c.column for c in model._meta.local_concrete_fields if not c.generated]
    public = "gen_random_uuid()"
    picks = [public if column == "public_id" else column for column in columns]
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {', '.join(picks)} FROM {table} WHERE id = %s",
            [row.pk],
        )


def _delete_at_any_price(row: Model) -> None:
    """DELETE by raw SQL; the keys that other rows hold on to are dropped first."""
    table = row._meta.db_table
    for name in KEYS:
        if CONSTRAINTS[name][0] is type(row):
            _drop(name)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [row.pk])
