"""Finding a make-up for a case: what would repair the week, and one button that books it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets

from attendance.bookings import book_make_ups, plan_make_up
from attendance.compliance.free_hours import FreeHour
from attendance.compliance.make_ups import Candidate, MakeUps, booked_make_ups, find_make_ups
from attendance.compliance.week_notes import OF_A_WEEK
from attendance.models import Flag
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Episode
from scheduling.models import Booking
from scheduling.querysets import BookingQuerySet

SHOWN = 3
TOGETHER = "together"
HOUR = "hour/"
GONE = "This is not free any more. The list is new: choose again."
UNCHOSEN = "Choose one of the list."


class MakeUpForm(ServiceForm):
    """The list is found anew for each request, so what was taken meanwhile is not on it."""

    title = "Find a make-up"
    path = "make_ups"
    order = 9
    button = "Book"
    can = Can.BOOK
    row: Any  # a case
    found: MakeUps | None = None
    _made: dict[str, str] | None = None
    choice = forms.ChoiceField(
        label="What would repair the week, best first",
        widget=widgets.UnfoldAdminRadioSelectWidget(radio_style=widgets.VERTICAL),
        error_messages={"invalid_choice": GONE, "required": UNCHOSEN},
    )

    @classmethod
    def offered(cls, row: Any) -> bool:
        return bool(row.is_open and row.episode_id is not None)

    @property
    def episode(self) -> Episode | None:
        """Whose week is to be repaired; a case may be about nobody's."""
        episode: Episode | None = self.row.episode
        return episode

    @property
    def flag(self) -> Flag | None:
        """The case that names the week and the standard; without one it is this week."""
        flag: Flag = self.row
        return flag

    def narrow(self) -> None:
        field: Any = self.fields["choice"]
        if self.episode is None:
            self._offer_nothing()
            return
        self.found = find_make_ups(
            episode=self.episode, day=timezone.localdate(timezone=self.clinic.tz), flag=self.flag
        )
        field.choices = list(self._choices(self.found))
        field.help_text = _full(self.found.full)
        if not field.choices:
            self._offer_nothing()
        elif str(self.data.get("choice", "")) in self._booked():
            field.error_messages["invalid_choice"] = self._just_booked()

    def _offer_nothing(self) -> None:
        del self.fields["choice"]
        self.submits = False

    def _booked(self) -> dict[str, str]:
        """The make-ups that stand in the week, by the key of their session: sent from another tab,
        a choice may be one of them."""
        if self.is_bound and self._made is None:
            rows = self._made_up().visible_to(self.user).order_by("starts_at")
            self._made = {str(one.session.public_id): _when(one.session) for one in rows}
        return self._made or {}

    def _made_up(self) -> BookingQuerySet:
        return booked_make_ups(self.row)

    def _just_booked(self) -> str:
        return f"Booked already: {'; '.join(self._booked().values())}."

    def add_error(self, field: str | None, error: Any) -> None:
        """Above the list, which is long."""
        super().add_error(None if field == "choice" else field, error)

    def _choices(self, found: MakeUps) -> Iterable[tuple[str, str]]:
        if len(found.plan) > 1 and found.plan_effect:
            named = " + ".join(_when(one.session) for one in found.plan)
            yield TOGETHER, f"All of these: {named}: {found.plan_effect.sentence}."
        for one in found.candidates:
            yield str(one.session.public_id), _candidate(one)
        if self.user.may(Can.MANAGE_SCHEDULE, self.clinic):
            for hour in found.hours:
                yield f"{HOUR}{hour.key}", _hour(hour)

    def introduction(self) -> str:
        if self.episode is None:
            return "This case is not about a patient's week."
        assert self.found is not None
        of_week = f"{self.episode.patient}, week of {self.found.week.label}"
        if not self.found.is_short:
            over = "it is over, and cannot be made up any more"
            enough = "no make-up is needed as far as is known"
            return f"{of_week}: {over if self.found.over else enough}."
        said = f"{of_week}: {'; '.join(_needs(self.found))}."
        if "choice" not in self.fields:
            return f"{said} No session with a free seat would help. {_instead(self.found)}"
        return said

    def run(self) -> str:
        chosen = self.cleaned_data.get("choice")
        episode = self.episode
        if not chosen or episode is None or self.found is None:
            said = self._just_booked() if self._booked() else "There is nothing to book."
            raise Refused("nothing_to_book", said)
        if chosen.startswith(HOUR):
            rows = [plan_make_up(episode=episode, hour=chosen.removeprefix(HOUR), **self._who)]
        else:
            picked = self.found.plan if chosen == TOGETHER else self.found.candidates
            sessions = [
                one.session for one in picked if chosen in (TOGETHER, str(one.session.public_id))
            ]
            rows = book_make_ups(episode=episode, sessions=sessions, **self._who)
        named = ", ".join(_when(row.session) for row in rows)
        return f"Booked: {named}. {self._standing()}"

    @property
    def _who(self) -> dict[str, Any]:
        return {"flag": self.flag, "by": self.user}

    def _standing(self) -> str:
        self.row.refresh_from_db()
        if self.row.is_open:
            return "The case stays open until the week is repaired."
        return "The case is closed by these facts; it opens again if they do not hold."

    def refuse(self, refused: Refused) -> None:
        """The list again, without what has just been taken."""
        super().refuse(refused)
        if "choice" in self.fields:
            self.narrow()


class MakeUpHereForm(MakeUpForm):
    """The same from the patient's page: what would repair the running week, with or without a case.

    Booked, it closes the case of the week as well, if there is one.
    """

    order = 31

    @classmethod
    def offered(cls, row: Any) -> bool:
        return bool(row.state == Episode.State.ADMITTED)

    @property
    def episode(self) -> Episode:
        episode: Episode = self.row
        return episode

    @property
    def flag(self) -> None:
        return None

    def _made_up(self) -> BookingQuerySet:
        assert self.found is not None
        days = (self.found.week.start, self.found.week.end)
        rows = Booking.objects.expected().filter(
            clinic=self.episode.clinic_id,
            episode=self.episode,
            makes_up__isnull=False,
            session__local_date__range=days,
        )
        return rows.select_related("session__group", "session__session_type")

    def _standing(self) -> str:
        today = timezone.localdate(timezone=self.clinic.tz)
        left = find_make_ups(episode=self.episode, day=today)
        if left.is_short:
            return f"Still missing this week: {'; '.join(_needs(left))}."
        return "As booked, the week reaches its minimum."


def make_up_panels(request: Any, row: Flag) -> Iterable[Panel]:
    """What would repair the week of the case, and the make-ups that are booked in it."""
    if row.is_open and row.episode is not None and row.rule in OF_A_WEEK:
        yield from _offered(request, row, row.episode)
    rows = booked_make_ups(row).visible_to(request.user).select_related("makes_up__attendance")
    booked = list(rows.order_by("starts_at"))
    if booked:
        yield Panel(
            "Make-ups booked",
            ("Session", "Instead of", "State"),
            [(link(one, _when(one.session)), _missed(one), _state(one)) for one in booked],
        )


def _offered(request: Any, row: Flag, episode: Episode) -> Iterable[Panel]:
    """The best few; all of them, and what else would help, stand where they are booked."""
    found = find_make_ups(episode=episode, day=timezone.localdate(), flag=row)
    if not found.is_short or found.over:
        return
    best = found.plan if found.repairable else found.candidates[:SHOWN]
    together = "Together they repair the week. " if found.repairable and len(best) > 1 else ""
    where = ""
    if request.user.has_perm(Can.BOOK):
        text = "Book a make-up" if best else "What else would help"
        where = anchor(reverse("admin:attendance_flag_make_ups", args=[row.pk]), text)
    yield Panel(
        "What would repair the week",
        ("Session", "Free seats", "What it brings"),
        [(_when(one.session), one.free_seats, f"{one.effect.sentence}.") for one in best],
        empty="No session with a free seat would help.",
        note=format_html("{}{}", together, where),
    )


def _missed(row: Any) -> str:
    """The session it stands for, where it was missed: one cut short was not."""
    missed = row.makes_up
    record = getattr(missed, "attendance", None)
    return "" if missed is None or (record and record.attended) else _when(missed.session)


def _state(row: Any) -> str:
    record = getattr(row, "attendance", None)
    return str(record) if record else row.get_state_display().lower()


# --- words ----------------------------------------------------------------------------------------


def _when(session: Any) -> str:
    starts, ends = timezone.localtime(session.starts_at), timezone.localtime(session.ends_at)
    return f"{session.title}, {starts:%a %b %-d, %-I:%M} – {ends:%-I:%M %p}"


def _candidate(one: Candidate) -> str:
    seats = "1 seat free" if one.free_seats == 1 else f"{one.free_seats} seats free"
    notes = [seats]
    if one.again:
        notes.append("given up by the patient: book again")
    elif one.offer.called_in:
        notes.append("the patient called in for this day")
    return f"{_when(one.session)} ({', '.join(notes)}): {one.effect.sentence}."


def _hour(hour: FreeHour) -> str:
    starts = timezone.localtime(hour.offer.starts_at)
    return (
        f"{hour.session_type.name} with {hour.therapist.name}, {starts:%a %b %-d, %-I:%M %p} "
        f"({hour.room}, to be planned): {hour.effect.sentence}."
    )


def _needs(found: MakeUps) -> list[str]:
    return [f"{one.name}, {_short(one)}" for one in found.standing]


def _short(one: Any) -> str:
    parts = [f"{hours_and_minutes(one.minutes_to_go)} to make up"] if one.minutes_to_go else []
    if one.days_to_go:
        parts.append(f"{one.days_to_go} qualifying day{'s' if one.days_to_go > 1 else ''} missing")
    return " and ".join(parts)


def _instead(found: MakeUps) -> str:
    said = [f"It would help to plan: {_hour(one)}" for one in found.hours[:3]]
    if found.full:
        said.append(_full(found.full))
    return " ".join(said) or "No therapist has a free hour in this week either."


def _full(sessions: Sequence[Candidate]) -> str:
    if not sessions:
        return ""
    named = "; ".join(f"{_when(one.session)}, {one.effect.sentence}" for one in sessions[:3])
    return f"If a seat became free: {named}."
