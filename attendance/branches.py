"""What "own rows" means for the tables of this floor (see iop_clinic/accounts/visibility.py)."""

from django.db.models import Exists, OuterRef, Q

from attendance.models import Flag
from iop_clinic.accounts.visibility import Scope, own_rows, visible, whole_clinic
from patients.models import Episode
from scheduling.models import Booking, Group, Session

own_rows("attendance.CreditRule", "attendance.Standard", "attendance.AbsenceRule")(whole_clinic)


@own_rows("attendance.AttendanceRecord")
def records_of_my_bookings(scope: Scope) -> Q:
    return Q(Exists(Booking.objects.filter(visible(Booking, scope), pk=OuterRef("booking"))))


@own_rows("attendance.WeekResult", "attendance.OutreachAttempt")
def of_my_episodes(scope: Scope) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, scope), pk=OuterRef("episode"))))


@own_rows("attendance.Flag")
def flags_of_my_rows(scope: Scope) -> Q:
    """Of their episodes, sessions and groups, and of themselves as therapists."""
    episodes = Episode.objects.filter(visible(Episode, scope), pk=OuterRef("episode"))
    sessions = Session.objects.filter(visible(Session, scope), pk=OuterRef("session"))
    groups = Group.objects.filter(visible(Group, scope), pk=OuterRef("group"))
    of_rows = Q(Exists(episodes)) | Q(Exists(sessions)) | Q(Exists(groups))
    return of_rows | Q(therapist__in=scope.therapist_ids)


@own_rows("attendance.WeekNote")
def notes_of_my_flags(scope: Scope) -> Q:
    return Q(Exists(Flag.objects.filter(visible(Flag, scope), pk=OuterRef("flag"))))


@own_rows("attendance.ComplianceReport")
def my_reports(scope: Scope) -> Q:
    return Q(therapist__in=scope.therapist_ids)
