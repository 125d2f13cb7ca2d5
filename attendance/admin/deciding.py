"""What happens to each session of a closure or time off: asked in one form, looked at, saved."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import localize_input

from attendance import closures
from attendance.admin.combining import offer_said
from attendance.admin.deciding_words import happens_panel, labels_of, losses_panels, usual_said
from attendance.closures_ahead import losses_ahead
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import ServiceForm, choice_field, date_field, time_field
from iop_clinic.accounts.admin.panels import Panel, page_url
from iop_clinic.accounts.admin.views import ServiceView, seal, sent
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import no_such_time
from scheduling.admin.session_lines import session_times, with_booked
from scheduling.cover import Cover
from scheduling.models import Decision, Room, Session, TimeOff
from scheduling.rules import END_AFTER_START, Span, span_on
from scheduling.services import Decided, choices_of
from scheduling.services.deciding import LEADS, Cause, usual_decisions
from scheduling.services.fitting import combinable_with_each
from scheduling.standing_in import Candidate, leaders_for

Choice = Decision.Choice
MOST_DECIDED = 100
"""Sessions that are asked about one by one. Of more the usual is done with all of them."""
FIELDS = {"starts_at": "starts", "ends_at": "ends", "room": "room", "into": "into"}
"""Of a service's refusal: the box beside the session that it is about."""


class DecidePage(ServiceView):
    """The facts, then each session. What is sent and what is shown are sealed apart: whoever sent
    the same again is told that something has changed meanwhile."""

    template_name = "admin/attendance/deciding.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        seen = self.request.POST.get("seen", "").partition(".")
        shown = getattr(answer, "context_data", None) or {}
        now = str(shown.get("seal", "")).partition(".")
        if seen[0] and seen[0] == now[0] and seen[2] != now[2]:
            shown["changed"] = True
        return answer

    def _seal(self, form: Any, ahead: list[Panel]) -> str:
        return f"{seal(sent(form))}.{seal([form.seen, ahead])}"


@dataclass(frozen=True, slots=True)
class Row:
    """A session as the page asks about it."""

    session: Any
    when: str
    led: str
    choice: Any
    boxes: Sequence[tuple[str, Sequence[Any], bool]]
    """By choice: the boxes that it needs, and whether something is wrong in one of them: then they
    are shown whatever is chosen."""

    @property
    def booked(self) -> str:
        return f"{self.session.booked} booked"


class DecidingForm(ServiceForm):
    """A subclass lists the facts as its fields, and says what they touch and how they are saved.

    The fields for the sessions are added once the facts are known. The page shows those that the
    choice needs, without a script.
    """

    can = Can.MANAGE_SCHEDULE
    path = "new"
    wants_row = False
    page = DecidePage
    looks_ahead = True
    row: Any = None

    def draft(self, facts: Mapping[str, Any]) -> Cause:
        """The closure or time off as it would be, unsaved."""
        raise NotImplementedError

    def affected(self, cause: Cause) -> list[Session]:
        raise NotImplementedError

    def save(self, decided: Sequence[Decided] | None) -> Cause:
        raise NotImplementedError

    def narrow(self) -> None:
        self.sessions: list[Any] = []
        self.asked: list[Any] = []
        self.own = list(self.fields)
        facts = self._facts() if self.is_bound else None
        if facts is not None:
            self._ask(self.draft(facts))

    def _facts(self) -> dict[str, Any] | None:
        """What was sent about the closure itself; None while it is not in order."""
        form: Any = self
        try:
            return {name: form.fields[name].clean(form[name].data) for name in self.own}
        except ValidationError:
            return None

    # --- the boxes ---

    def _ask(self, cause: Cause) -> None:
        self.cause = cause
        found = self.affected(cause)
        keys = [one.pk for one in found]
        rows = with_booked(Session.objects.filter(clinic=self.clinic, pk__in=keys))
        named = rows.select_related("group", "session_type", "room", "clinic")
        self.sessions = list(named.order_by("starts_at", "pk"))
        self.labels = labels_of(cause)
        self.asked = self.sessions if len(self.sessions) <= MOST_DECIDED else []
        if not self.asked:
            return
        form: Any = self
        form.data = form.data.copy()
        self.cover = Cover.of(self.clinic, _span(self.asked), self.asked)
        alone = {Choice.CANCELLED, Choice.COVERED, Choice.BY_VIDEO, Choice.KEPT}
        together = [(one, said) for one, said in self.labels.items() if one in alone]
        self._add(
            "for_all", _choice(together, "All that have no choice of their own"), together[0][0]
        )
        self._ask_each(choices_of(cause))

    def _ask_each(self, choices: Sequence[Choice]) -> None:
        """Each is offered what would not be refused anyway."""
        self.rooms = list(
            Room.objects.visible_to(self.user).filter(clinic=self.clinic, active=True)
        )
        self.others = combinable_with_each(self.asked, but=self.sessions)
        self.records = closures.records_in(self.asked)
        covers = Choice.COVERED in choices
        self.leaders = leaders_for(self.clinic, self.asked) if covers else {}
        for session in self.asked:
            self._ask_about(session, choices)

    def _ask_about(self, session: Any, choices: Sequence[Choice]) -> None:
        key, into = session.pk, self.others.get(session.pk, [])
        senseless = self._senseless(session)
        possible = [one for one in choices if one not in senseless]
        options = [("", "As for all"), *((one, self.labels[one]) for one in possible)]
        self._add(f"choice_{key}", _choice(options, "What happens"), "")
        if Choice.COVERED in choices:
            self._ask_who_covers(key)
        starts, ends = (timezone.localtime(at) for at in (session.starts_at, session.ends_at))
        self._add(f"day_{key}", date_field("Day", required=False), starts.date())
        self._add(f"starts_{key}", time_field("From", required=False), starts.time())
        self._add(f"ends_{key}", time_field("To", required=False), ends.time())
        rooms = {one.pk: one for one in self.rooms}
        said = [("", "The same room"), *((one.pk, str(one)) for one in self.rooms)]
        self._add(f"room_{key}", _row_choice(said, "Room", rooms), "")
        if into:
            known = {one.session.pk: one.session for one in into}
            told = [(one.session.pk, offer_said(one)) for one in into]
            self._add(f"into_{key}", _row_choice(told, "Together with", known), told[0][0])

    def _ask_who_covers(self, key: int) -> None:
        """Whoever is free and qualified first, and chosen already."""
        found = self.leaders[key]
        known = {one.therapist.pk: one.therapist for one in found}
        free = [one.therapist.pk for one in found if not one.trouble]
        box = _row_choice(_by_freedom(found), "Covered by", known)
        self._add(f"therapist_{key}", box, free[0] if free else "")

    def _add(self, name: str, field: forms.Field, first: Any) -> None:
        """What was not sent is sent as the page would show it first."""
        self.fields[name] = field
        shown = "" if first is None else localize_input(first)
        form: Any = self
        form.data.setdefault(name, str(shown))

    def _senseless(self, session: Any) -> set[Choice]:
        """What is refused whatever is entered beside it."""
        recorded, present = self.records
        found = set()
        if session.starts_at <= timezone.now():
            found.add(Choice.MOVED)
        if session.pk in recorded or not self.others.get(session.pk):
            found.add(Choice.COMBINED)
        if session.pk in present:
            found.add(Choice.CANCELLED)
        if isinstance(self.cause, TimeOff) and self._led_besides(session, self.cause):
            found.add(Choice.COVERED)
        return found

    def _led_besides(self, session: Session, time_off: TimeOff) -> bool:
        parts = self.cover.parts.get(session.pk, ())
        return any(one.role in LEADS and one.therapist_id != time_off.therapist_id for one in parts)

    # --- what the page shows ---

    @property
    def seen(self) -> list[tuple[object, ...]]:
        """The sessions as they were shown."""
        return [(one.pk, one.version, one.booked) for one in self.sessions]

    def facts(self) -> Iterator[Any]:
        form: Any = self
        return (form[name] for name in self.own)

    def rows(self) -> Iterator[Row]:
        form: Any = self
        for one in self.asked:
            yield Row(
                one,
                session_times(one),
                ", ".join(leader.name for leader in self.cover.leaders(one)) or "nobody",
                form[f"choice_{one.pk}"],
                list(self._boxes(one.pk)),
            )

    def _boxes(self, key: int) -> Iterator[tuple[str, list[Any], bool]]:
        form: Any = self
        needs = {"covered": ["therapist"], "moved": ["day", "starts", "ends", "room"]}
        for choice, names in (*needs.items(), ("combined", ["into"])):
            boxes = [form[f"{name}_{key}"] for name in names if f"{name}_{key}" in form.fields]
            if boxes:
                yield choice, boxes, any(box.errors for box in boxes)

    def too_many(self) -> str:
        """What happens to more sessions than are asked about."""
        number = len(self.sessions)
        return (
            f"{number} sessions are too many to ask about one by one: {usual_said(self.cause)}. "
            "Change single ones on their pages afterwards, or enter it in parts."
        )

    # --- what was decided ---

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        self.decided = None
        if self.sessions and self.asked:
            self.decided = [self._decided(one, given) for one in self.asked]
        return given

    def _decided(self, session: Session, given: Mapping[str, Any]) -> Decided:
        own = {name: given.get(f"{name}_{session.pk}") or None for name in _OWN}
        choice = Choice(own["choice"] or given.get("for_all") or next(iter(self.labels)))
        if choice == Choice.MOVED:
            starts_at, ends_at = self._times(session, own)
            return Decided(session, choice, starts_at, ends_at, room=own["room"])
        therapist = own["therapist"] if choice == Choice.COVERED else None
        into = own["into"] if choice == Choice.COMBINED else None
        return Decided(session, choice, therapist=therapist, into=into)

    def _times(
        self, session: Session, own: Mapping[str, Any]
    ) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """The instants; None where a box is empty, which is told there."""
        day, starts, ends = own["day"], own["starts"], own["ends"]
        missing = {"day": day, "starts": starts, "ends": ends}
        for name, value in missing.items():
            box = f"{name}_{session.pk}"
            if value is None and box not in self.errors:
                self.add_error(box, "Say when it takes place.")
        if None in (day, starts, ends):
            return None, None
        wrong = {name: no_such_time(day, own[name], self.clinic.tz) for name in ("starts", "ends")}
        if ends <= starts:
            wrong["ends"] = END_AFTER_START
        for name, said in wrong.items():
            if said:
                self.add_error(f"{name}_{session.pk}", said)
                return None, None
        span = span_on(day, starts, ends, self.clinic.tz)
        return span.starts_at, span.ends_at

    def ahead(self) -> Sequence[Panel]:
        """It is done as it would be, read and taken back."""
        note_read(*self.sessions, by=self.user)
        losses = losses_ahead(
            sessions=self.sessions, write=lambda: self.save(self.decided), by=self.user
        )
        decided = self.decided or usual_decisions(self.cause, self.sessions)
        happens = happens_panel(self.cause, decided)
        return [happens, *losses_panels(losses)] if self.sessions else [happens]

    def run(self) -> str:
        self.row = self.save(self.decided)
        return self.done()

    def done(self) -> str:
        """What happened, and what comes next."""
        raise NotImplementedError

    def next_url(self) -> str:
        return page_url(self.row)

    def refuse(self, refused: Refused) -> None:
        """At the box of the session that it is about."""
        errors: Any = refused.details.get("errors")
        if not errors or any(f"choice_{one['loc'][0]}" not in self.fields for one in errors):
            super().refuse(Refused(refused.code, refused.message, field=refused.field))
            return
        for one in errors:
            box = self._box(*one["loc"])
            self.add_error(box, ValidationError(one["message"], code=one["code"]))

    def _box(self, key: int, field: str) -> str:
        form: Any = self
        moved = form[f"choice_{key}"].value() == Choice.MOVED
        name = FIELDS.get(field, "starts" if moved else field)
        return f"{name}_{key}" if f"{name}_{key}" in self.fields else f"choice_{key}"

    @property
    def wrong_rows(self) -> bool:
        """Whether something is to be put right about single sessions."""
        return bool(self.errors.keys() - {NON_FIELD_ERRORS, *self.own})


_OWN = ("choice", "therapist", "day", "starts", "ends", "room", "into")


def _span(sessions: Sequence[Session]) -> Span:
    return Span(min(one.starts_at for one in sessions), max(one.ends_at for one in sessions))


def _choice(options: Sequence[tuple[Any, str]], label: str) -> forms.TypedChoiceField:
    box = choice_field((), label, required=False)
    box.choices = list(options)
    return box


def _row_choice(
    options: Sequence[Any], label: str, rows: Mapping[int, Any]
) -> forms.TypedChoiceField:
    """A choice among rows that are read already."""
    box = _choice(options, label)
    box.coerce = lambda key: rows[int(key)]
    box.empty_value = None
    return box


def _by_freedom(found: Sequence[Candidate]) -> list[Any]:
    free = [(one.therapist.pk, _called(one.therapist)) for one in found if not one.trouble]
    others = [(one.therapist.pk, one.trouble) for one in found if one.trouble]
    groups = (("Free and qualified", free), ("Others", others))
    return [("", "Select …"), *(group for group in groups if group[1])]


def _called(therapist: Therapist) -> str:
    return f"{therapist}, {therapist.phone or 'no phone'}"
