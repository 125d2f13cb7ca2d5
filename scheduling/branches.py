"""What "own rows" means for the tables of this floor (see iop_clinic/accounts/visibility.py).

A session is a therapist's own when they have a part in it (a substitute: while covering), a group
when they lead one of its blocks (the last day of block and seat inside, by the clinic's calendar),
an episode also when it is booked in an own session or sits in an
own group.
"""

from django.db.models import Exists, OuterRef, Q

from iop_clinic.accounts.visibility import Sight, clinic_today, own_rows, visible, whole_clinic
from patients.models import Episode
from scheduling.models import (
    Booking,
    Group,
    GroupMembership,
    Session,
    SessionStaff,
    WaitlistEntry,
    WeeklyBlock,
)

own_rows("scheduling.Room", "scheduling.SessionType", "scheduling.Closure", "scheduling.TimeOff")(
    whole_clinic
)


def _led_blocks(sight: Sight) -> Q:
    led = Q(facilitator__in=sight.therapist_ids) | Q(co_facilitator__in=sight.therapist_ids)
    led &= Q(clinic__in=sight.own_rows_clinics)  # or every clinic's blocks are read for theirs
    return led & (Q(valid_until__isnull=True) | Q(valid_until__gte=clinic_today(sight.now)))


@own_rows("scheduling.Session")
def sessions_i_lead(sight: Sight) -> Q:
    parts = SessionStaff.objects.with_access(sight.now).filter(therapist__in=sight.therapist_ids)
    return Q(Exists(parts.filter(session=OuterRef("pk"))))


@own_rows("scheduling.SessionStaff")
def staff_of_my_sessions(sight: Sight) -> Q:
    return Q(Exists(Session.objects.filter(sessions_i_lead(sight), pk=OuterRef("session"))))


@own_rows("scheduling.Group")
def groups_i_lead(sight: Sight) -> Q:
    return Q(Exists(WeeklyBlock.objects.filter(_led_blocks(sight), group=OuterRef("pk"))))


@own_rows("scheduling.WeeklyBlock")
def my_blocks(sight: Sight) -> Q:
    return _led_blocks(sight)


@own_rows("scheduling.GroupMembership", "scheduling.WaitlistEntry")
def of_my_groups(sight: Sight) -> Q:
    return Q(Exists(Group.objects.filter(groups_i_lead(sight), pk=OuterRef("group"))))


@own_rows("scheduling.WaitlistOffer", "scheduling.WaitlistStep")
def of_waiters_for_my_groups(sight: Sight) -> Q:
    return Q(Exists(WaitlistEntry.objects.filter(of_my_groups(sight), pk=OuterRef("entry"))))


@own_rows("patients.Episode")
def episodes_in_my_groups(sight: Sight) -> Q:
    members = GroupMembership.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=clinic_today(sight.now)), of_my_groups(sight)
    )
    return Q(Exists(members.filter(episode=OuterRef("pk"))))


@own_rows("patients.Episode")
def episodes_in_my_sessions(sight: Sight) -> Q:
    booked = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        Exists(Session.objects.filter(sessions_i_lead(sight), pk=OuterRef("session")))
    )
    return Q(Exists(booked.filter(episode=OuterRef("pk"))))


@own_rows("scheduling.Booking")
def bookings_of_my_sessions_or_patients(sight: Sight) -> Q:
    sessions = Session.objects.filter(sessions_i_lead(sight), pk=OuterRef("session"))
    caseload = Episode.objects.filter(
        primary_therapist__in=sight.therapist_ids, pk=OuterRef("episode")
    )
    return Q(Exists(sessions)) | Q(Exists(caseload))


@own_rows("scheduling.Decision")
def decisions_about_my_sessions(sight: Sight) -> Q:
    return Q(Exists(Session.objects.filter(sessions_i_lead(sight), pk=OuterRef("session"))))


@own_rows("scheduling.CallIn", "scheduling.Told")
def of_my_episodes(sight: Sight) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, sight), pk=OuterRef("episode"))))
