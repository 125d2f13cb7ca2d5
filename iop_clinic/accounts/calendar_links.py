"""The secret address under which a phone reads its owner's calendar, without a login.

Whoever knows the address reads the calendar, so the secret is 256 random bits, shown once, stored
only as a hash, and ended by a new one. What the calendar holds is the business of a higher floor.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from django.utils import timezone

from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.models import CalendarLink, Clinic, Membership, User

SECRET_BYTES = 32
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@service
def renew_link(*, clinic: Clinic, by: User) -> str:
    """The secret of a new link to `by`'s own calendar; an earlier one stops at once.

    Raises Refused `not_active`, or `not_a_therapist` for who leads nothing in the clinic.
    """
    membership = _membership(clinic, by)
    if membership is None:
        raise Refused("not_active", "You have no access to this clinic any more.")
    if membership.therapist_id is None:
        raise Refused("not_a_therapist", "You lead no sessions in this clinic.")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    CalendarLink.objects.update_or_create(
        clinic=clinic,
        membership=membership,
        defaults={"digest": digest_of(secret), "created_at": timezone.now()},
    )
    return secret


@service
def revoke_link(*, clinic: Clinic, by: User) -> None:
    """End `by`'s link in this clinic; without one nothing changes."""
    CalendarLink.objects.filter(clinic=clinic, membership__user=by).delete()


@service
def revoke_link_of(*, membership: Membership, by: User) -> None:
    """End another person's link, as for a lost phone; the rest of their access stays.

    Raises Refused `no_link`.
    """
    deleted, _ = membership.calendar_links.all().delete()
    if not deleted:
        raise Refused("no_link", "This person has no calendar link.")


def _membership(clinic: Clinic, user: User) -> Membership | None:
    """Locked: access that is ended at this moment takes the new link along."""
    rows = Membership.objects.live().select_for_update(of=("self",), no_key=True)
    return rows.filter(clinic=clinic, user=user).first()


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def link_of(secret: str) -> CalendarLink | None:
    """The link with this secret, as long as its person has access, is a therapist and active.

    One statement; malformed secrets are not even looked up. The hash is looked up, so the index
    cannot be probed for a secret.
    """
    if not SECRET.fullmatch(secret):
        return None
    live = Membership.objects.live().filter(user__is_active=True, therapist__isnull=False)
    return (
        CalendarLink.objects.select_related("clinic", "membership__therapist")
        .filter(digest=digest_of(secret), membership__in=live)
        .first()
    )
