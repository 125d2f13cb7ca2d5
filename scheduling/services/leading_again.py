"""Who leads again once a time off is taken back, or a session of theirs takes place after all, and
who is missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from django.db.models import Exists, OuterRef
from django.utils import timezone

from iop_clinic.accounts.models import Therapist
from scheduling.models import Session, SessionStaff, TimeOff
from scheduling.querysets import SessionQuerySet
from scheduling.rules import Span
from scheduling.services.deciding import LEADS, time_off_of
from scheduling.services.diary import WITHOUT_LEADER, Diary, attend, without


def waiting_for(time_off: TimeOff) -> SessionQuerySet:
    """Sessions to come that miss the therapist and say so."""
    rows: SessionQuerySet = Session.objects.live()
    then = rows.overlapping(time_off.starts_at, time_off.ends_at)
    said = time_off_of(time_off.therapist)
    return then.not_over(timezone.now()).filter(
        clinic=time_off.clinic_id, needs_attention__contains=said
    )


def lead_again(
    time_off: TimeOff, kept: Collection[int]
) -> tuple[list[Session], list[tuple[Session, str]]]:
    """The sessions that were kept without the therapist are theirs again, where nobody else leads;
    those that are, and those that are not with the reason.

    In the same statements for any number of sessions.
    """
    therapist = time_off.therapist
    keys = {*kept, *(one.pk for one in waiting_for(time_off))}
    rows = Session.objects.filter(pk__in=keys).select_related("group", "session_type")
    sessions = list(rows.order_by("starts_at", "pk"))
    now = timezone.now()
    back = _leading_again(therapist, [one for one in sessions if one.live and one.ends_at > now])
    led, others = _led_by(sessions), [one for one in sessions if one not in back]
    return back, [(one, _why_not(one, therapist, led.get(one.pk))) for one in others]


def lead_revived(sessions: Collection[Session]) -> None:
    """Sessions that take place again are led by whoever was away when they were cancelled, where
    that time off was taken back since.

    In the same statements for any number of sessions of a therapist.
    """
    waiting = {one.pk: one for one in sessions if WITHOUT_LEADER in one.needs_attention}
    if not waiting:
        return
    parts = SessionStaff.objects.filter(session__in=waiting, active=False, therapist__active=True)
    missing: defaultdict[Therapist, list[Session]] = defaultdict(list)
    for part in parts.select_related("therapist__clinic").order_by("therapist", "session"):
        if time_off_of(part.therapist) in waiting[part.session_id].needs_attention:
            missing[part.therapist].append(waiting[part.session_id])
    for therapist, theirs in missing.items():
        _leading_again(therapist, theirs)


def _leading_again(therapist: Therapist, sessions: Sequence[Session]) -> list[Session]:
    """Those of the sessions whose leader the therapist is again, in order."""
    own = SessionStaff.objects.filter(clinic=therapist.clinic_id, therapist=therapist)
    then = {"starts_at__lt": OuterRef("ends_at"), "ends_at__gt": OuterRef("starts_at")}
    busy = Exists(own.taking_place().filter(**then)) | Exists(
        therapist.time_off.in_force().filter(**then)
    )
    led = SessionStaff.objects.filter(session=OuterRef("session"), role__in=LEADS, active=True)
    parts = own.filter(~busy, active=False, session__in=[one.pk for one in sessions])
    parts = parts.exclude(Exists(led), role__in=LEADS)
    theirs = _one_after_the_other(parts.order_by("starts_at", "pk"))
    own.filter(session__in=theirs).update(active=True)
    back = [one for one in sessions if one.pk in theirs]
    for session, trouble in zip(back, _licenses(therapist, back, theirs), strict=True):
        session.needs_attention = without(session.needs_attention, time_off_of(therapist))
        attend(session, trouble)
        session.version += 1
    Session.objects.bulk_update(back, ["needs_attention", "version"])
    return back


def _one_after_the_other(parts: Iterable[SessionStaff]) -> dict[int, str]:
    """By session the role, but of two at one time the first: somebody moved them since."""
    taken: list[SessionStaff] = []
    for part in parts:
        if not taken or taken[-1].ends_at <= part.starts_at:
            taken.append(part)
    return {part.session_id: part.role for part in taken}


def _licenses(
    therapist: Therapist, sessions: Sequence[Session], roles: Mapping[int, str]
) -> Iterator[str]:
    """Why the therapist is not qualified to lead each of them again; empty where they are."""
    if not sessions:
        return
    span = Span(min(one.starts_at for one in sessions), max(one.ends_at for one in sessions))
    diary = Diary.of(therapist.clinic, span, therapists=[therapist.pk], rooms=[])
    for one in sessions:
        asked = one.session_type if roles[one.pk] in LEADS else None
        yield diary.license_trouble(therapist, Span(one.starts_at, one.ends_at), asked)


def _led_by(sessions: Collection[Session]) -> dict[int, str]:
    """By session, whoever leads it."""
    parts = SessionStaff.objects.filter(session__in=sessions, active=True, role__in=LEADS)
    return dict(parts.values_list("session", "therapist__name"))


def _why_not(session: Session, therapist: Therapist, led_by: str | None) -> str:
    """Why the therapist does not lead it again."""
    if not session.live:
        return f"Cancelled since: {session.cancelled_reason}."
    if session.ends_at <= timezone.now():
        return "It is over: it stays as it was."
    if led_by:
        return f"{led_by} leads it by now."
    return f"{therapist.name} is not free then."


def miss_facilitator(session: Session) -> None:
    """A co-facilitator who is back does not lead: while the facilitator is away, that is said."""
    parts = session.staff.select_related("therapist")
    if parts.filter(active=True, role__in=LEADS).exists():
        return
    away = [one.therapist for one in parts.filter(role=SessionStaff.Role.FACILITATOR)]
    span = Span(session.starts_at, session.ends_at)
    diary = Diary.of(session.clinic, span, therapists=[one.pk for one in away], rooms=[])
    for one in away:
        if absence := diary.absence(one, span):
            attend(session, f"{WITHOUT_LEADER}{absence}")
    session.save(update_fields=["needs_attention"])
