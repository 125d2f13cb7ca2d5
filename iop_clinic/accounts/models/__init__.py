from iop_clinic.accounts.models.clinics import Clinic, ClinicModel, Weekday, validate_zone
from iop_clinic.accounts.models.staff import (
    License,
    Membership,
    MembershipQuerySet,
    Therapist,
    User,
    UserManager,
)
from iop_clinic.accounts.models.traces import AuditEvent, CalendarLink, Device, IdempotencyKey

__all__ = [
    "AuditEvent",
    "CalendarLink",
    "Clinic",
    "ClinicModel",
    "Device",
    "IdempotencyKey",
    "License",
    "Membership",
    "MembershipQuerySet",
    "Therapist",
    "User",
    "UserManager",
    "Weekday",
    "validate_zone",
]
