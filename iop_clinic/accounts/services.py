"""Writes of this floor: who works in a clinic, in which role, under which licenses."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerDown

from iop_clinic.accounts import tasks
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import (
    AuditEvent,
    Clinic,
    Device,
    License,
    Membership,
    Therapist,
    User,
)
from iop_clinic.accounts.roles import Role

logger = logging.getLogger(__name__)


# --- coming in -------------------------------------------------------------------------------


@service
def invite(
    *,
    clinic: Clinic,
    email: str,
    name: str,
    role: Role,
    by: User | Job,
    therapist: Therapist | None = None,
    ends_on: datetime.date | None = None,
) -> Membership:
    """Give a person a role in the clinic and mail them a link to set their password.

    Someone who signs in already (in another clinic) keeps name and password and is only told.
    A person who had left the clinic comes back with the new role.
    Refused: `invalid` (email), `already_member`, and what `set_role` refuses.
    """
    membership = add_member(
        clinic=clinic,
        email=email,
        name=name,
        role=role,
        by=by,
        therapist=therapist,
        ends_on=ends_on,
    )
    _mail_after_commit(tasks.mail_access, membership.pk)
    return membership


@service
def add_member(
    *,
    clinic: Clinic,
    email: str,
    name: str,
    role: Role,
    by: User | Job,
    therapist: Therapist | None = None,
    ends_on: datetime.date | None = None,
) -> Membership:
    """Give a person a role without a mail, as imports do. Refused as by `invite`."""
    _lock(clinic)
    user = _user_with(_address(email)) or User(email=_address(email), name=name.strip())
    membership = Membership.objects.in_clinic(clinic).filter(user_id=user.pk).first()
    if membership is None:
        membership = Membership(clinic=clinic, user=user)
    elif membership.active:
        raise Refused(
            "already_member", "This person already has a role in this clinic.", field="email"
        )
    membership.active = True
    _give_role(membership, role, therapist, ends_on)
    if user.pk is None or not user.is_active:
        user.is_active = True
        user.set_unusable_password()  # who was locked out sets a new one before coming in again
        check(user)
        user.save()
    membership.user = user
    membership.save()
    return membership


def _user_with(email: str) -> User | None:
    return User.objects.filter(Exact(Lower("email"), email.strip().lower())).first()


def _address(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Refused("invalid", "Enter a valid email address.", field="email") from None
    return email


@service
def resend_invitation(*, membership: Membership, by: User | Job) -> None:
    """Mail the link again. Refused: `already_accepted`, `not_active`."""
    membership.refresh_from_db()
    if not membership.active or not membership.user.is_active:
        raise Refused("not_active", "This person has no access to the clinic.")
    if membership.user.has_usable_password():
        raise Refused(
            "already_accepted",
            "This person has set a password already, and can ask for a new one at the sign-in "
            "page.",
        )
    _mail_after_commit(tasks.mail_access, membership.pk)


@service
def set_password(*, user: User, password: str, by: User | Job) -> User:
    """Accept an invitation or reset a password: every other session and device is signed out.

    The caller has checked the link and the password's strength. A session ends because it is
    signed with the old password.
    """
    user.set_password(password)
    user.save(update_fields=["password"])
    # The trail never holds the hash, so that the trigger sees no change: it is written here.
    AuditEvent.objects.create(
        table_name=User._meta.db_table,
        row_id=user.pk,
        operation=AuditEvent.Operation.UPDATE,
        new={"password": "set anew"},
        actor=by.actor,
        at=timezone.now(),
    )
    Device.objects.filter(user=user).delete()
    return user


def request_password_reset(*, email: str) -> None:
    """Have the link mailed if the address belongs to somebody; the caller learns nothing.

    Known and unknown addresses cost the same: one look-up and one task. If the broker is down, no
    mail is sent and the person asks again.
    """
    user = _user_with(email)
    _queue(tasks.mail_reset, user.pk if user else 0)


def _mail_after_commit(task: Any, key: int) -> None:
    transaction.on_commit(lambda: _queue(task, key), robust=True)


def _queue(task: Callable[[int], None], key: int) -> None:
    try:
        task.delay(key)  # type: ignore[attr-defined]
    except BrokerDown:
        logger.warning("The broker is down: %s was not queued.", task.__name__)


# --- roles -----------------------------------------------------------------------------------


@service
def set_role(
    *,
    membership: Membership,
    role: Role,
    by: User | Job,
    therapist: Therapist | None = None,
    ends_on: datetime.date | None = None,
) -> Membership:
    """Change a person's role in a clinic; it holds from their next request on.

    Refused: `therapist_required`, `therapist_taken`, `last_day_required` (an auditor),
    `last_administrator`.
    """
    _lock(membership.clinic)
    membership.refresh_from_db()
    if role != Role.ADMINISTRATOR or ends_on is not None:
        _refuse_last_administrator(membership)
    _give_role(membership, role, therapist or membership.therapist, ends_on)
    membership.save()
    return membership


def _give_role(
    membership: Membership,
    role: Role,
    therapist: Therapist | None,
    ends_on: datetime.date | None,
) -> None:
    if role == Role.THERAPIST and therapist is None:
        raise Refused(
            "therapist_required", "Choose which therapist this person is.", field="therapist"
        )
    if role == Role.AUDITOR and ends_on is None:
        raise Refused("last_day_required", "An auditor's access needs a last day.", field="ends_on")
    if therapist is not None:
        _refuse_therapist(membership, therapist)
    membership.role, membership.therapist, membership.ends_on = role, therapist, ends_on


def _refuse_therapist(membership: Membership, therapist: Therapist) -> None:
    if therapist.clinic_id != membership.clinic_id:
        raise Refused("other_clinic", "The therapist belongs to another clinic.", field="therapist")
    if therapist.memberships.exclude(pk=membership.pk).exists():
        raise Refused(
            "therapist_taken",
            "Another person already signs in as this therapist.",
            field="therapist",
        )


@service
def deactivate(*, membership: Membership, by: User | Job) -> Membership:
    """End a person's access to the clinic at once.

    Without a role anywhere else they cannot sign in at all: devices are signed out and sessions
    end, because Django asks `is_active` on every request. Refused: `last_administrator`.
    """
    _lock(membership.clinic)
    membership.refresh_from_db()
    _refuse_last_administrator(membership)
    membership.active = False
    membership.save()
    membership.calendar_links.all().delete()  # or it would work again when they come back
    user = User.objects.select_for_update(no_key=True).get(pk=membership.user_id)
    if user.current_clinic_id == membership.clinic_id:
        user.current_clinic = None
    if not user.memberships.live().exists():
        user.is_active = False
        Device.objects.filter(user=user).delete()
    user.save()
    membership.user = user
    return membership


def _refuse_last_administrator(membership: Membership) -> None:
    administrators = Membership.objects.live().filter(
        clinic=membership.clinic_id, role=Role.ADMINISTRATOR, user__is_active=True
    )
    if {one.pk for one in administrators} == {membership.pk}:
        raise Refused("last_administrator", "Give another person the administrator's role first.")


def _lock(clinic: Clinic) -> None:
    """Roles of a clinic change one at a time, or two administrators could remove each other."""
    Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)


@service
def switch_clinic(*, user: User, clinic: Clinic, by: User | Job) -> User:
    """Choose the clinic that pages show. Refused: `no_membership`."""
    if clinic.pk not in user.scope.roles:
        raise Refused("no_membership", "You have no role in this clinic.", field="clinic")
    user.current_clinic = clinic
    user.save(update_fields=["current_clinic"])
    return user


# --- credentials -----------------------------------------------------------------------------


@service
def add_therapist(
    *,
    clinic: Clinic,
    name: str,
    by: User | Job,
    credentials: str = "",
    phone: str = "",
    max_caseload: int = 24,
) -> Therapist:
    """Enter a clinician of the clinic; `invite` lets them sign in as this therapist (R12)."""
    therapist = Therapist(
        clinic=clinic, name=name, credentials=credentials, phone=phone, max_caseload=max_caseload
    )
    check(therapist)
    therapist.save()
    return therapist


@service
def add_license(
    *,
    therapist: Therapist,
    credential: str,
    state: str,
    number: str,
    expires_on: datetime.date,
    by: User | Job,
    issued_on: datetime.date | None = None,
    may_diagnose: bool = True,
) -> License:
    """Enter a therapist's license. Refused: `before_issue`, `license_unique`."""
    if issued_on is not None and expires_on < issued_on:
        raise Refused("before_issue", "The license ends before it was issued.", field="expires_on")
    row = License(
        clinic=therapist.clinic,
        therapist=therapist,
        credential=credential,
        state=state.upper(),
        number=number,
        expires_on=expires_on,
        issued_on=issued_on,
        may_diagnose=may_diagnose,
    )
    check(row)
    row.save()
    return row
