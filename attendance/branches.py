"""What "own rows" means for the tables of this floor (see iop_clinic/accounts/visibility.py)."""

from django.db.models import Exists, OuterRef, Q

from attendance.models import Flag
from iop_clinic.accounts.visibility import Sight, own_rows, visible, whole_clinic
from patients.models import Episode
from scheduling.models import Booking, Group, Session

own_rows("attendance.CreditRule", "attendance.Standard", "attendance.AbsenceRule")(whole_clinic)


@own_rows("attendance.AttendanceRecord")
def records_of_my_bookings(sight: Sight) -> Q:
    return Q(Exists(Booking.objects.filter(visible(Booking, sight), pk=OuterRef("booking"))))


@own_rows("attendance.WeekResult", "attendance.OutreachAttempt")
def of_my_episodes(sight: Sight) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, sight), pk=OuterRef("episode"))))


@own_rows("attendance.Flag")
def flags_of_my_rows(sight: Sight) -> Q:
    """Of their episodes, sessions and groups, and of themselves as therapists."""
    episodes = Episode.objects.filter(visible(Episode, sight), pk=OuterRef("episode"))
    sessions = Session.objects.filter(visible(Session, sight), pk=OuterRef("session"))
    groups = Group.objects.filter(visible(Group, sight), pk=OuterRef("group"))
    of_rows = Q(Exists(episodes)) | Q(Exists(sessions)) | Q(Exists(groups))
    return of_rows | Q(therapist__in=sight.therapist_ids)


@own_rows("attendance.WeekNote")
def notes_of_my_flags(sight: Sight) -> Q:
    return Q(Exists(Flag.objects.filter(visible(Flag, sight), pk=OuterRef("flag"))))


@own_rows("attendance.ComplianceReport")
def my_reports(sight: Sight) -> Q:
    return Q(therapist__in=sight.therapist_ids)
