"""The one table that says which role may do what: what is not listed is refused."""

from django.db.models import TextChoices


class Role(TextChoices):
    ADMINISTRATOR = "administrator", "Administrator"
    COORDINATOR = "coordinator", "Coordinator"
    FRONT_DESK = "front_desk", "Front desk"
    THERAPIST = "therapist", "Therapist"
    UTILIZATION_REVIEW = "utilization_review", "Utilization review"
    AUDITOR = "auditor", "Auditor"


class Can(TextChoices):
    """What a person may do in a clinic; always within the rows that are visible to them."""

    MANAGE_STAFF = "manage_staff", "Invite staff, set roles and licenses"
    MANAGE_CLINIC = "manage_clinic", "Set the clinic's hours, standards and rules"
    VIEW_PATIENTS = "view_patients", "See patients and their episodes"
    EDIT_PATIENTS = "edit_patients", "Enter patients and their contact facts"
    MANAGE_EPISODES = "manage_episodes", "Admit, plan, hold and discharge"
    MANAGE_AUTHORIZATIONS = "manage_authorizations", "Enter authorizations and reviews"
    VIEW_SCHEDULE = "view_schedule", "See groups and sessions"
    MANAGE_SCHEDULE = "manage_schedule", "Change groups, blocks, closures and sessions"
    BOOK = "book", "Enrol patients and book single sessions"
    TAKE_CALL_INS = "take_call_ins", "Note that a patient will be absent"
    RECORD_ATTENDANCE = "record_attendance", "Log and correct attendance"
    SIGN_ROSTERS = "sign_rosters", "Sign a complete roster"
    VIEW_FLAGS = "view_flags", "See cases"
    WORK_FLAGS = "work_flags", "Work cases and log outreach"
    VIEW_REPORTS = "view_reports", "See compliance reports"
    VIEW_AUDIT = "view_audit", "See who changed what"
    EXPORT = "export", "Export data"
    IMPORT = "import", "Bring data from files"


_SEE = {Can.VIEW_PATIENTS, Can.VIEW_SCHEDULE, Can.VIEW_FLAGS}

PERMISSIONS: dict[Role, frozenset[Can]] = {
    Role.ADMINISTRATOR: frozenset(Can),
    Role.COORDINATOR: frozenset(Can) - {Can.MANAGE_STAFF, Can.MANAGE_CLINIC, Can.VIEW_AUDIT},
    Role.FRONT_DESK: frozenset(
        {Can.VIEW_PATIENTS, Can.EDIT_PATIENTS, Can.VIEW_SCHEDULE, Can.BOOK, Can.TAKE_CALL_INS}
    ),
    Role.THERAPIST: frozenset(
        {*_SEE, Can.BOOK, Can.TAKE_CALL_INS, Can.RECORD_ATTENDANCE, Can.SIGN_ROSTERS}
        | {Can.WORK_FLAGS}
    ),
    Role.UTILIZATION_REVIEW: frozenset(
        {*_SEE, Can.MANAGE_AUTHORIZATIONS, Can.WORK_FLAGS, Can.VIEW_REPORTS, Can.EXPORT}
    ),
    Role.AUDITOR: frozenset({*_SEE, Can.VIEW_REPORTS, Can.VIEW_AUDIT}),
}

OWN_ROWS_ONLY = frozenset({Role.THERAPIST})
"""Roles that see their own sessions, groups and caseload; every other role sees the clinic."""
