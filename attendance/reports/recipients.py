"""Who is told what: the whole clinic, or one therapist's caseload.

Asked twice: when the reports are built, and again just before each mail leaves, for a person may
have left in between.
"""

from typing import NamedTuple

from django.db.models import Q, QuerySet

from attendance.models import ReportDelivery
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role

WHOLE_CLINIC = frozenset({Role.ADMINISTRATOR, Role.COORDINATOR})


class Recipient(NamedTuple):
    """A person and the report that is theirs; without a therapist it is the clinic's."""

    user_id: int
    therapist_id: int | None


def recipients(clinic_id: int) -> list[Recipient]:
    """The clinic's recipients today, by person."""
    rows = receiving().filter(clinic=clinic_id).order_by("user")
    return [
        Recipient(user, None if role in WHOLE_CLINIC else therapist)
        for user, role, therapist in rows.values_list("user", "role", "therapist")
    ]


def still_receives(delivery: ReportDelivery) -> bool:
    """Whether the delivery's report is still one that its recipient may read.

    A caseload's report is also within what a coordinator sees, so a promotion does not drop it.
    """
    own = Q(role=Role.THERAPIST, therapist=delivery.report.therapist_id)
    may_read = Q(role__in=WHOLE_CLINIC) | (own if delivery.report.therapist_id else Q(pk__in=[]))
    return (
        receiving().filter(may_read, clinic=delivery.clinic_id, user=delivery.recipient_id).exists()
    )


def receiving() -> QuerySet[Membership]:
    """Everybody, in any clinic, whom reports are mailed to today."""
    roles = [*WHOLE_CLINIC, Role.THERAPIST]
    return Membership.objects.live().filter(
        receives_reports=True, user__is_active=True, role__in=roles
    )
