"""The admin pages of cases, rules and reports, and what they add to episodes and sessions."""

from attendance import bookings as seats
from attendance import call_ins, memberships, papers
from attendance import waitlist as waiting
from attendance.admin import blocks as weekly_blocks
from attendance.admin import cases, deliveries, imports, reports, results, rules
from attendance.admin.bookings import BOOKING_VERBS, booking_panels
from attendance.admin.calling import CallListForm
from attendance.admin.calling_in import CallInForm, TakeCallForm
from attendance.admin.cancelling import CancelForm
from attendance.admin.closing import (
    CloseForm,
    TakeClosureBackForm,
    TakeTimeOffBackForm,
    TimeOffForm,
)
from attendance.admin.combining import (
    CombinedCallListForm,
    CombineForm,
    PartForm,
    combined_panels,
)
from attendance.admin.deciding_words import decided_panels
from attendance.admin.episodes import EPISODE_VERBS, episode_panels
from attendance.admin.exports import export_of
from attendance.admin.filling import FillForm
from attendance.admin.groups import group_panels
from attendance.admin.last_seat import last_seat_panels
from attendance.admin.leaving import EndAccessForm, EndForm, TakeBackForm, WithdrawForm
from attendance.admin.moving import MoveForm
from attendance.admin.planning import PlanSessionForm
from attendance.admin.sessions import SESSION_VERBS, session_panels
from attendance.admin.summaries import SUMMARY_PAGES
from attendance.admin.therapists import COLUMNS, tell_therapists, therapist_panels
from attendance.admin.transferring import TransferForm, TransferHereForm
from attendance.admin.waitlist import AttemptForm, OfferForm
from attendance.admin.week_calendar.page import week_page
from attendance.admin.zones import ZoneForm
from attendance.exports.kinds import WHOLE
from attendance.sessions import cancel_session, create_session, move_session, revive_session
from iop_clinic.accounts.admin.clinics import ClinicAdmin
from iop_clinic.accounts.admin.staff import MembershipAdmin, TherapistAdmin
from patients.admin.care import Care
from patients.admin.episodes import EpisodeAdmin
from patients.admin.people import PatientAdmin
from scheduling.admin.bookings import BookingAdmin
from scheduling.admin.calendar_link import CalendarLinkForm
from scheduling.admin.call_ins import CallInAdmin
from scheduling.admin.groups import GroupAdmin, GroupMembershipAdmin, WeeklyBlockAdmin
from scheduling.admin.places import ClosureAdmin, TimeOffAdmin
from scheduling.admin.seats import Seats
from scheduling.admin.sessions import SessionAdmin
from scheduling.admin.waitlist import WaitlistEntryAdmin

__all__ = ["cases", "deliveries", "imports", "reports", "results", "rules"]

ClinicAdmin.offer(ZoneForm)
EpisodeAdmin.offer(*EPISODE_VERBS, *SUMMARY_PAGES, CallInForm, TransferHereForm)
EpisodeAdmin.show(episode_panels)
SessionAdmin.offer(
    *SESSION_VERBS,
    CancelForm,
    MoveForm,
    CombineForm,
    PartForm,
    CombinedCallListForm,
    weekly_blocks.ChangeHereForm,
)
SessionAdmin.list_verbs = (PlanSessionForm, CalendarLinkForm)
SessionAdmin.show(session_panels)
SessionAdmin.show(combined_panels)
SessionAdmin.week_page = staticmethod(week_page)
GroupAdmin.show(last_seat_panels)
GroupAdmin.show(group_panels)
GroupAdmin.offer(FillForm)
GroupMembershipAdmin.offer(TransferForm, EndForm, TakeBackForm)
WeeklyBlockAdmin.offer(weekly_blocks.ChangeForm, weekly_blocks.EndForm)
WeeklyBlockAdmin.list_verbs = (weekly_blocks.NewBlockForm,)
WaitlistEntryAdmin.offer(OfferForm, AttemptForm)
MembershipAdmin.offer(EndAccessForm)
TherapistAdmin.show(therapist_panels)
TherapistAdmin.tell(tell_therapists)
TherapistAdmin.list_display = COLUMNS
BookingAdmin.related = (*BookingAdmin.related, "attendance")
BookingAdmin.offer(*BOOKING_VERBS, WithdrawForm)
BookingAdmin.show(booking_panels)
CallInAdmin.list_verbs = (TakeCallForm,)
ClosureAdmin.list_verbs = (CloseForm,)
ClosureAdmin.offer(CallListForm, TakeClosureBackForm)
ClosureAdmin.show(decided_panels)
TimeOffAdmin.list_verbs = (TimeOffForm,)
TimeOffAdmin.offer(CallListForm, TakeTimeOffBackForm)
TimeOffAdmin.show(decided_panels)
for page, kind in (
    (ClinicAdmin, WHOLE),
    (PatientAdmin, "patients"),
    (GroupAdmin, "groups"),
    (SessionAdmin, "sessions"),
    (BookingAdmin, "attendance"),
    (cases.FlagAdmin, "cases"),
):
    page.list_verbs = (*page.list_verbs, export_of(kind))

for verb in (
    papers.admit,
    papers.edit_episode,
    papers.set_plan,
    papers.edit_plan,
    papers.authorize,
    papers.edit_authorization,
    papers.certify,
    papers.edit_certification,
    papers.mandate,
    papers.add_coverage,
    papers.edit_coverage,
    papers.save_patient,
):
    setattr(Care, verb.__name__, staticmethod(verb))

for seat_verb in (
    seats.book,
    seats.release,
    seats.withdraw,
    memberships.enrol,
    memberships.accept_offer,
    memberships.transfer,
    memberships.end_membership,
    memberships.cancel_membership,
    create_session,
    move_session,
    cancel_session,
    revive_session,
    waiting.offer_seat,
    waiting.log_attempt,
    call_ins.call_in,
    call_ins.take_back_call_in,
):
    setattr(Seats, seat_verb.__name__, staticmethod(seat_verb))
