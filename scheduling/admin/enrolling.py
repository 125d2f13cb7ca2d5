"""Enrolling: where guests hold the last seats, who they are and what becomes of those dates.

Asked only when it happens. The page lists the guests, and sends along whom it has listed: nobody
else gives up a seat by it. Afterwards it says what is left to do: whom to call, which combined
sessions to add the patient to, where the patient still waits, and that only one seat is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import ServiceForm, choice_field, is_key, text_field
from iop_clinic.accounts.admin.panels import Panel, link, verb_link
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from scheduling.admin.group_seats import last_seat_left
from scheduling.admin.wording import session_when
from scheduling.models import WAITING, Booking, GroupMembership, Session, WaitlistEntry
from scheduling.services.guests import GuestChoice, Then

ASKED = ("guests", "guests_reason", "guests_shown")


class EnrollingForm(ServiceForm):
    """A form whose service enrols. `in_the_way` are the bookings for which it was refused."""

    in_the_way: Sequence[Booking] = ()
    unseen = 0
    """How many more there are that this person does not see."""
    busy = False
    """They are the patient's own, at the group's time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "guests" in self.data:
            self._ask()

    def _ask(self) -> None:
        self.fields["guests"] = choice_field(Then.choices, "On these dates", required=False)
        self.fields["guests_reason"] = text_field("Why", required=False)
        self.fields["guests_shown"] = forms.CharField(widget=forms.HiddenInput, required=False)

    @property
    def given(self) -> dict[str, Any]:
        """With what was answered about guests as one value."""
        values = super().given
        then, reason, shown = (values.pop(name, "") for name in ASKED)
        if then:
            values["guests"] = GuestChoice(Then(then), reason, frozenset(_keys(shown)))
        return values

    def refuse(self, refused: Refused) -> None:
        keys: Any = refused.details.get("bookings")
        if keys is not None:
            self._list(keys)
            self.busy = refused.code == "patient_busy"
        if keys is not None and not self.busy:
            self._ask()
            form: Any = self
            form.data = form.data.copy()
            form.data["guests_shown"] = ",".join(str(one.pk) for one in self.in_the_way)
            refused.field = "guests"
        super().refuse(refused)

    def _list(self, keys: Sequence[int]) -> None:
        related = ("episode__patient", "session__group", "session__session_type")
        rows = Booking.objects.visible_to(self.user).filter(clinic=self.clinic, pk__in=keys)
        self.in_the_way = list(rows.select_related(*related).order_by("starts_at", "pk"))
        self.unseen = len(keys) - len(self.in_the_way)
        if self.in_the_way:
            note_read(*self.in_the_way, by=self.user)

    def before(self) -> Iterable[Panel]:
        yield from super().before()
        if not self.in_the_way and (shown := self.data.get("guests_shown")):
            self._list(_keys(shown))  # something else was wrong with what was sent
        if self.in_the_way or self.unseen:
            yield Panel(
                "Booked elsewhere at the group’s time" if self.busy else "Guests on the last seats",
                ("Patient", "Where", "Comes as", "Then"),
                [tuple(_line(one, busy=self.busy)) for one in self.in_the_way],
                note=f"{self.unseen} more that only a coordinator sees." if self.unseen else "",
                empty="",
            )

    def done(self, sentence: str, seat: GroupMembership | None) -> str:
        """What happened, and what is left to do about it."""
        left = [sentence, self._to_call()]
        if seat is not None:
            left += [
                booked_said(seat),
                held_together(seat, self.user),
                still_waits(seat, self.user),
                last_seat_left(seat.group, self.user),
            ]
        return format_html_join(" ", "{}", ((one,) for one in left if one))

    def _to_call(self) -> str:
        """The guests who have lost their seats by it."""
        choice = self.given.get("guests")
        if choice is None or choice.then != Then.MOVE_ON:
            return ""
        rows = Booking.objects.visible_to(self.user).filter(
            pk__in=choice.bookings, state=Booking.State.WITHDRAWN
        )
        named = rows.select_related("episode__patient", "session__group", "session__session_type")
        lines = [
            (link(one.episode, one.episode.patient), session_when(one.session), _other(one))
            for one in named.order_by("starts_at", "pk")
        ]
        called = format_html_join("; ", "{}, {} ({})", lines)
        return format_html("To call: {}.", called) if lines else ""


def booked_said(seat: GroupMembership) -> str:
    """ "4 planned sessions are booked."."""
    number = seat.bookings.exclude(state=Booking.State.WITHDRAWN).count()
    if number == 0:
        return "No session is planned then yet: each is booked once it is planned."
    return f"{number} planned session{' is' if number == 1 else 's are'} booked."


def held_together(seat: GroupMembership, user: User) -> str:
    """Sessions to come that the group was combined into: a new member is on no roster of them."""
    came = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        session=OuterRef("pk"), combined_from__session__group=seat.group_id,
        combined_from__session__live=False,
    )  # fmt: skip
    own = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        session=OuterRef("pk"), episode=seat.episode_id
    )
    rows = Session.objects.visible_to(user).live().on(seat.starts_on, seat.ends_on)
    rows = rows.not_over(timezone.now()).filter(Exists(came), ~Exists(own), clinic=seat.clinic_id)
    named = rows.select_related("group", "session_type").order_by("starts_at", "pk")
    links = format_html_join(
        "; ", "{}", ((verb_link(one, "roster-add", session_when(one)),) for one in named)
    )
    if not links:
        return ""
    said = "On these dates {} is combined with another session. Add the patient to that roster: {}."
    return format_html(said, seat.group, links)


def still_waits(seat: GroupMembership, user: User) -> str:
    """Where else the new member waits: nobody loses a place in order without being asked."""
    rows = WaitlistEntry.objects.visible_to(user).filter(
        clinic=seat.clinic_id, episode=seat.episode_id, state__in=WAITING
    )
    named = rows.select_related("group").order_by("added_at", "pk")
    links = format_html_join(", ", "{}", ((link(one, one.group),) for one in named))
    if not links:
        return ""
    return format_html("Still waits for {}: if this seat is enough, take it off that list.", links)


def _keys(shown: str) -> list[int]:
    return [int(one) for one in shown.split(",") if is_key(one)]


def _line(one: Booking, *, busy: bool) -> Iterator[object]:
    yield link(one.episode, one.episode.patient)
    yield link(one, session_when(one.session))
    yield _comes_as(one)
    yield verb_link(one, "withdraw", "Withdraw it") if busy else _other(one)


def _comes_as(one: Booking) -> str:
    if one.makes_up_id is not None:
        return "guest, makes up a missed session"
    return "guest" if one.membership_id is None else "member"


def _other(one: Booking) -> str:
    """Where the patient's other possibilities are."""
    if one.makes_up_id is not None:
        return verb_link(one.episode, "make_ups", "Find another make-up")
    return verb_link(one.episode, "book", "Book another session")
