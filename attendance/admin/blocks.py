"""Weekly blocks at the admin site: what each would do is read before it is saved."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from attendance import blocks
from attendance.admin.block_panels import change_panels, license_panels, new_panels
from attendance.admin.block_trials import tried_change, tried_new
from attendance.admin.moving import booked_elsewhere
from attendance.move_impact import clashes
from attendance.sessions import move_session
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    found_field,
    level_field,
    many_field,
    row_field,
    text_field,
    time_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, link, page_url
from iop_clinic.accounts.models import Therapist, Weekday
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, full_date, long_date, week_of
from scheduling.admin.groups import BreaksField
from scheduling.admin.sessions import NEUTRAL
from scheduling.admin.wording import session_when
from scheduling.eligibility import check_wall_times
from scheduling.leading import lapse
from scheduling.models import Booking, Group, Room, Session, SessionType, WeeklyBlock
from scheduling.rules import span_on
from scheduling.services import Refitted, assign_substitute
from scheduling.services.blocks import CHANGEABLE

SHOWN = 5
"""Findings that a sentence tells."""
ALL, ONE = "all", "one"
OFTEN = ((1, "Every week"), (2, "Every two weeks"))
HOURS = ("starts_at", "ends_at")
AS_THE_LAST = ("session_type", "facilitator", "co_facilitator", "room", "valid_until")
OF_ONE = {"weekday", *HOURS, "room", "facilitator"}
"""What may differ in a single session of a block."""


class BlockForm(ServiceForm):
    can = Can.MANAGE_SCHEDULE
    looks_ahead = True
    session_type = row_field(SessionType.objects.all())
    weekday: forms.Field = level_field(Weekday.choices)
    starts_at = time_field("Starts")
    ends_at = time_field("Ends", help_text="On the same day.")
    breaks = BreaksField(
        required=False, help_text="Minutes from the start, such as 60-70, 130-140."
    )
    facilitator = row_field(Therapist.objects.all())
    co_facilitator = row_field(Therapist.objects.all(), "Co-facilitator", required=False)
    room = row_field(Room.objects.all(), required=False)
    by_video = yes_field("By video")
    off_site = text_field("Off site", required=False, max_length=80, help_text=NEUTRAL)
    every_weeks = level_field(OFTEN, "How often")

    def in_use(self, block: WeeklyBlock | None = None) -> None:
        """Only what is in use may be chosen, and what the block has already."""
        for name in ("session_type", "facilitator", "co_facilitator", "room"):
            field: Any = self.fields[name]
            own = Q(pk=getattr(block, f"{name}_id")) if block else Q()
            field.queryset = field.queryset.filter(Q(active=True) | own)


class NewBlockForm(BlockForm):
    """Of one time on several weekdays each is a block of its own: one may change or end alone."""

    title = "Add weekly blocks"
    path = "new"
    explanation = (
        "One block for each weekday. Their sessions are planned at once, 4 weeks ahead, with "
        "whoever has a seat."
    )
    wants_row = False
    weekday = many_field(Weekday.choices, "Weekdays", coerce=int, required=True)
    group = row_field(Group.objects.filter(active=True), required=False)
    episode = found_field(
        WeeklyBlock, "episode", "Or one patient", required=False,
        help_text="For a standing individual or family session.",
    )  # fmt: skip
    valid_from = date_field("From")
    valid_until = date_field("Last date", required=False, help_text="Empty: open.")
    field_order = ("group", "episode")
    entered: Sequence[WeeklyBlock] = ()

    def narrow(self) -> None:
        self.in_use()
        self.start_with(**self._as_the_last(), every_weeks=1)

    def _as_the_last(self) -> dict[str, Any]:
        """What the group's newest block has: the next hour of its days is often like it."""
        try:
            group = self.fields["group"].clean(self.initial.get("group"))
        except ValidationError:
            return {}
        newest = group and group.blocks.order_by("-pk").first()
        if not newest:
            return {}
        alike = forms.model_to_dict(newest, AS_THE_LAST)
        return {**alike, "valid_from": max(newest.valid_from, timezone.localdate())}

    def _blocks(self) -> list[WeeklyBlock]:
        return [
            WeeklyBlock(clinic=self.clinic, **{**self.given, "weekday": weekday})
            for weekday in self.given["weekday"]
        ]

    def ahead(self) -> Sequence[Panel]:
        new = self._blocks()
        told = tried_new(new=new, by=self.user)
        first = max(new[0].valid_from, timezone.localdate())
        said = lapse(new[0].facilitator, new[0].session_type, first=first, last=new[0].valid_until)
        return [*new_panels(told), *license_panels(said)]

    def run(self) -> str:
        self.entered = self._blocks()
        done = blocks.add_blocks(new=self.entered, by=self.user)
        keys = {one.pk for one in self.entered}
        number = Session.objects.filter(block__in=keys).count()
        planned = "1 session is" if number == 1 else f"{number} sessions are"
        named = ", ".join(map(str, self.entered))
        said = f"{named} {'is' if len(keys) == 1 else 'are'} entered. {planned} planned."
        return _with_findings(said, done.findings_of(keys))

    def next_url(self) -> str:
        return next((page_url(one.group or one) for one in self.entered), "")


class ChangeForm(BlockForm):
    """Only what differs from the block is changed."""

    title = "Change the block"
    path = "change-block"
    explanation = (
        "Sessions to come keep their patients; what has begun, was moved by hand or is cancelled "
        "stays as it is."
    )
    versioned = True
    order = 10
    scope = choice_field((), "What changes")
    field_order = ("scope",)
    elsewhere: Sequence[Booking] = ()

    @classmethod
    def offered(cls, row: WeeklyBlock) -> bool:
        return row.valid_until is None or row.valid_until >= timezone.localdate()

    @property
    def block(self) -> WeeklyBlock:
        return self.row

    def scopes(self) -> list[tuple[str, str]]:
        coming = Session.objects.filter(block=self.row, starts_at__gt=timezone.now())
        dates = coming.order_by("original_local_date")
        days = dates.values_list("original_local_date", flat=True)
        each = [(day.isoformat(), f"From {long_date(day)} on") for day in days if day]
        return [(ALL, "All that is to come"), *each[1:]]

    def narrow(self) -> None:
        field: Any = self.fields["scope"]
        field.choices = self.scopes()
        self.in_use(self.block)
        values = {name: getattr(self.block, name) for name in CHANGEABLE}
        self.start_with(scope=field.choices[0][0], **values)

    def before(self) -> Iterable[Panel]:
        """Whom it would put into two places: they are moved or withdrawn first."""
        if self.elsewhere:
            rows = [(link(one.patient), link(one, session_when(one.session)))
                    for one in self.elsewhere]  # fmt: skip
            yield Panel("In the way at the new time", ("Patient", "Where"), rows)

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)
        try:
            trial = tried_change(block=self.block, write=self._write, by=self.user)
        except Refused as refused:
            self._name(refused.details.get("bookings") or ())
            raise
        return [*change_panels(trial), *license_panels(self._lapse())]

    def _lapse(self) -> str:
        """Asked of another leader or type: of those that stay it was told before."""
        changes, scope = self._changes(), self.cleaned_data["scope"]
        if scope == ONE or not changes.keys() & {"facilitator", "session_type"}:
            return ""
        first = timezone.localdate() if scope == ALL else datetime.date.fromisoformat(scope)
        leader, kind = self.cleaned_data["facilitator"], self.cleaned_data["session_type"]
        return lapse(leader, kind, first=first, last=self.block.valid_until)

    def _name(self, bookings: Any) -> None:
        rows = Booking.objects.visible_to(self.user).filter(pk__in=bookings)
        named = rows.select_related("patient", "session__group", "session__session_type")
        self.elsewhere = list(named.order_by("starts_at", "patient"))

    def _write(self) -> Refitted:
        """On copies of the rows: a page reads its own again."""
        changes = self._changes()
        scope = self.cleaned_data["scope"]
        if scope == ONE:
            return self._change_one(changes)
        return blocks.change_block(
            block=WeeklyBlock.objects.get(pk=self.block.pk),
            first=None if scope == ALL else datetime.date.fromisoformat(scope),
            version=self.version,
            by=self.user,
            **changes,
        )

    def _changes(self) -> dict[str, Any]:
        given, block = self.cleaned_data, self.block
        changes = {name: given[name] for name in CHANGEABLE if given[name] != getattr(block, name)}
        if not changes:
            message = "Nothing differs from the block as it is. Change a value first."
            raise Refused("nothing_changed", message)
        return changes

    def _change_one(self, changes: dict[str, Any]) -> Refitted:
        raise NotImplementedError

    def run(self) -> str:
        done = self._write()
        return changed_said(done)


def changed_said(done: Refitted) -> str:
    numbers = (
        (len(done.changed), "changed"),
        (len(done.cancelled), "cancelled"),
        (len(done.kept), "left as moved by hand"),
    )
    parts = [f"{number} {said}" for number, said in numbers if number]
    said = f"The block is changed. Sessions: {', '.join(parts) or 'none to come'}."
    return _with_findings(said, done.findings)


def _with_findings(said: str, findings: Sequence[str]) -> str:
    return f"{said} To look at: {'. '.join(findings[:SHOWN])}." if findings else said


class ChangeHereForm(ChangeForm):
    """The same, from the page of one of its sessions."""

    title = "Change the weekly block"
    order = 50
    row: Any

    @classmethod
    def offered(cls, row: Any) -> bool:
        return row.block_id is not None and row.live and row.starts_at > timezone.now()

    @property
    def block(self) -> WeeklyBlock:
        return self.row.block

    def versioned_row(self, row: Any) -> Any:
        return row.block

    def scopes(self) -> list[tuple[str, str]]:
        day = self.row.original_local_date
        return [
            (ONE, "This session only"),
            (day.isoformat(), "This and following"),
            (ALL, "All that is to come"),
        ]

    def narrow(self) -> None:
        super().narrow()
        self.fields["version"].initial = self.block.version

    def _change_one(self, changes: dict[str, Any]) -> Refitted:
        for name in changes:
            if name not in OF_ONE:
                message = (
                    "In a single session only day, time, room and leader may differ. To hold it by "
                    "video or off site, change where it meets on its own page."
                )
                raise Refused("not_of_one", message, field=name)
        session = Session.objects.get(pk=self.row.pk)
        if changes.keys() & {"weekday", *HOURS, "room"}:
            to = self._to(session, changes)
            if found := clashes(session, to["starts_at"], to["ends_at"]):
                raise booked_elsewhere(found, "starts_at")
            move_session(session=session, by=self.user, **to)
        if leader := changes.get("facilitator"):
            assign_substitute(session=session, therapist=leader, by=self.user)
        return Refitted(changed=[session])

    def _to(self, session: Session, changes: dict[str, Any]) -> dict[str, Any]:
        """Where and when it is to be: what is not changed stays as the session has it."""
        if "room" in changes and changes["room"] is None:
            message = "Choose a room: a single session does not give its own up."
            raise Refused("not_of_one", message, field="room")
        room = changes.get("room")
        if not changes.keys() & {"weekday", *HOURS}:
            return {"starts_at": session.starts_at, "ends_at": session.ends_at, "room": room}
        wall = [at.astimezone(session.tz).time() for at in (session.starts_at, session.ends_at)]
        starts, ends = (changes.get(name, at) for name, at in zip(HOURS, wall, strict=True))
        if ends <= starts:
            message = "The session must end after it starts, on the same day."
            raise Refused("session_length", message, field="ends_at")
        day = session.local_date
        if "weekday" in changes:
            week = week_of(day, week_start=self.clinic.week_starts_on)
            ahead = (changes["weekday"] - week.start.weekday()) % DAYS_IN_WEEK
            day = week.start + datetime.timedelta(days=ahead)
        check_wall_times(day, self.clinic.tz, starts_at=starts, ends_at=ends)
        span = span_on(day, starts, ends, self.clinic.tz)
        return {"starts_at": span.starts_at, "ends_at": span.ends_at, "room": room}


class EndForm(ServiceForm):
    title = "Ends on"
    path = "end"
    can = Can.MANAGE_SCHEDULE
    looks_ahead = True
    versioned = True
    order = 20
    explanation = (
        "Sessions after this date are cancelled, and stay so if the block goes on after all."
    )
    last = date_field("Last date", required=False, help_text="Empty: it goes on.")

    def narrow(self) -> None:
        self.start_with(last=self.row.valid_until)

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)
        trial = tried_change(block=self.row, write=self._write, by=self.user)
        return list(change_panels(trial))

    def _write(self) -> Refitted:
        return blocks.end_block(
            block=WeeklyBlock.objects.get(pk=self.row.pk),
            last=self.cleaned_data["last"],
            version=self.version,
            by=self.user,
        )

    def run(self) -> str:
        done, last = self._write(), self.cleaned_data["last"]
        if last is None:
            return "The block goes on. Its sessions are planned 4 weeks ahead."
        number = len(done.cancelled)
        gone = "1 session is" if number == 1 else f"{number} sessions are"
        return f"The block meets last on or before {full_date(last)}. {gone} cancelled."
