"""Rows of every scheduling table in two clinics, and raw SQL that breaks one rule at a time."""

import datetime
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection
from django.db.models import Model
from psycopg import sql

from iop_clinic.accounts.models import Therapist, User
from patients.models import Episode, Program
from scheduling.models import (
    Booking,
    CallIn,
    Closure,
    Decision,
    Group,
    GroupMembership,
    Room,
    Session,
    SessionStaff,
    SessionType,
    TimeOff,
    Told,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStep,
    WeeklyBlock,
)
from tests import factories as f

DAY = "2026-03-02"


@dataclass
class Rows:
    """One clinic's rows: `session` from 9 to 10 with a nested visit inside, `later` at 11."""

    user: User
    program: Program
    therapist: Therapist
    second_therapist: Therapist
    room: Room
    kind: SessionType
    group: Group
    block: WeeklyBlock
    own_block: WeeklyBlock
    episode: Episode
    other_episode: Episode
    membership: GroupMembership
    ninth: GroupMembership
    waiting: WaitlistEntry
    offer: WaitlistOffer
    step: WaitlistStep
    closure: Closure
    time_off: TimeOff
    decision: Decision
    about_time_off: Decision
    told: Told
    told_of_time_off: Told
    told_of_session: Told
    call_in: CallIn
    session: Session
    later: Session
    same_time: Session
    visit: Session
    second_visit: Session
    staff: SessionStaff
    booking: Booking
    later_booking: Booking
    nested: Booking

    def of(self, model: type[Model]) -> Model:
        """Some row of the model."""
        found = (getattr(self, column.name) for column in fields(self))
        return next(row for row in found if isinstance(row, model))


def rows() -> Rows:
    clinic = f.ClinicFactory()
    program = f.ProgramFactory(clinic=clinic)
    group = f.GroupFactory(clinic=clinic, program=program, capacity=9)
    kind, room = f.SessionTypeFactory(clinic=clinic), f.RoomFactory(clinic=clinic)
    therapist = f.TherapistFactory(clinic=clinic)
    user = f.staff(clinic)
    episode, other = (f.admitted(clinic, program=program) for _ in range(2))
    block = f.WeeklyBlockFactory(group=group, session_type=kind, facilitator=therapist)
    own = f.WeeklyBlockFactory(
        clinic=clinic, group=None, episode=episode, session_type=kind, facilitator=therapist
    )
    same: dict[str, Any] = {"clinic": clinic}
    day, now = datetime.date.fromisoformat(DAY), f.at(clinic, DAY, "07:00")
    members = {**same, "group": group, "starts_on": day}

    def session(starts: str, ends: str, **extra: Any) -> Session:
        return f.session(clinic, DAY, starts, ends, session_type=kind, **extra)

    main = session(
        "09:00", "10:00", therapist=therapist, block=block, original_local_date=day, group=group
    )
    later = session("11:00", "12:00", room=room)
    visit, second_visit = session("09:15", "09:45"), session("09:15", "09:45")
    waiting = WaitlistEntry.objects.create(**same, group=group, episode=other, added_at=now)
    booking = f.booking(main, episode)
    closure = Closure.objects.create(**same, starts_on=day, ends_on=day, reason="Snow")
    time_off = TimeOff.objects.create(
        **same, therapist=therapist, starts_at=now, ends_at=later.ends_at
    )
    decided = {
        **same, "session": main, "choice": "kept", "decided_at": now,
        "was_starts_at": main.starts_at, "was_ends_at": main.ends_at,
    }  # fmt: skip
    told = {**same, "episode": episode, "told_at": now, "told_by": user}
    nested = f.booking(
        visit,
        episode,
        nested_in=booking,
        outer_starts_at=main.starts_at,
        outer_ends_at=main.ends_at,
    )
    return Rows(
        user=user,
        program=program,
        therapist=therapist,
        second_therapist=f.TherapistFactory(clinic=clinic),
        room=room,
        kind=kind,
        group=group,
        block=block,
        own_block=own,
        episode=episode,
        other_episode=other,
        membership=GroupMembership.objects.create(**members, episode=episode, seat=1),
        ninth=GroupMembership.objects.create(
            **members, episode=f.admitted(clinic, program=program), seat=9
        ),
        waiting=waiting,
        offer=WaitlistOffer.objects.create(
            **same, entry=waiting, starts_on=day, made_at=now, made_by=user,
            expires_at=later.ends_at,
        ),
        step=WaitlistStep.objects.create(
            **same, entry=waiting, method="call", result="reached", noted_at=now, noted_by=user
        ),
        closure=closure,
        time_off=time_off,
        decision=Decision.objects.create(**decided, closure=closure),
        about_time_off=Decision.objects.create(**decided, time_off=time_off),
        told=Told.objects.create(**told, closure=closure),
        told_of_time_off=Told.objects.create(**told, time_off=time_off),
        told_of_session=Told.objects.create(**told, session=main),
        call_in=CallIn.objects.create(
            **same,
            episode=episode,
            from_date=day,
            to_date=day,
            reason="illness",
            notified_at=now,
            taken_by=user,
        ),
        session=main,
        later=later,
        same_time=session("09:00", "10:00"),
        visit=visit,
        second_visit=second_visit,
        staff=SessionStaff.objects.get(session=main),
        booking=booking,
        later_booking=f.booking(later, episode, seat=5),
        nested=nested,
    )  # fmt: skip


# --- raw SQL -------------------------------------------------------------------------------------


def change(row: Model, **values: Any) -> None:
    """UPDATE one row, by column names."""
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in values
    )
    _run("UPDATE {table} SET {sets} WHERE id = %s", row, [*values.values(), row.pk], sets=sets)


def copy(row: Model, **values: Any) -> None:
    """INSERT the row once more under a new key, with these columns different."""
    columns: list[sql.Composable] = []
    picks: list[sql.Composable] = []
    parameters: list[Any] = []
    for column in row._meta.local_concrete_fields:
        if column.column == "id" or column.generated:
            continue
        columns.append(sql.Identifier(column.column))
        if column.column in values:
            picks.append(sql.Placeholder())
            parameters.append(values[column.column])
        elif column.column == "public_id":
            picks.append(sql.SQL("gen_random_uuid()"))
        else:
            picks.append(sql.Identifier(column.column))
    assert set(values) <= {field.column for field in row._meta.local_concrete_fields}
    _run(
        "INSERT INTO {table} ({columns}) SELECT {picks} FROM {table} WHERE id = %s",
        row,
        [*parameters, row.pk],
        columns=sql.SQL(", ").join(columns),
        picks=sql.SQL(", ").join(picks),
    )


def _run(text: str, row: Model, parameters: list[Any], **parts: sql.Composable) -> None:
    table = sql.Identifier(row._meta.db_table)
    with connection.cursor() as cursor:
        query = sql.SQL(text).format(table=table, **parts)
        cursor.execute(query.as_string(cursor.connection), parameters)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
