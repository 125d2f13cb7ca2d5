"""Who may lead: the credentials of a session type, its leaders, and who could stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold import widgets

from iop_clinic.accounts.admin.panels import Panel, link, phone_link
from iop_clinic.accounts.models import Clinic, License, Therapist
from iop_clinic.accounts.weeks import full_date
from scheduling.leading import LICENSE, licensed_until, not_qualified
from scheduling.models import Session, SessionType
from scheduling.models.places import credentials_in, validate_credentials
from scheduling.standing_in import Candidate, leaders_for

USUAL = "LCSW, LPC, LMFT, LADC, CADC"


# --- a session type ------------------------------------------------------------------------------


class CredentialsField(forms.CharField):
    """Codes as licenses carry them, "LCSW, LPC"; stored as a list in capital letters."""

    widget = widgets.UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return credentials_in(str(value or ""))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


def credentials_field(request: Any) -> CredentialsField:
    """With the codes of the clinic's own licenses as the example; one statement."""
    own = License.objects.visible_to(request.user).in_clinic(request.user.working_clinic_id)
    codes = sorted({code.strip().upper() for code in own.values_list("credential", flat=True)})
    return CredentialsField(
        label="Led by",
        required=False,
        max_length=200,
        validators=[validate_credentials],
        help_text=f"Credentials of which the leader holds one, as licenses carry them: "
        f"{', '.join(codes) or USUAL}. Empty: any license, or staff without one.",
    )


def leaders_panel(request: Any, row: SessionType) -> Panel:
    """Everybody on the staff, who may lead first; two statements."""
    lines = [
        (trouble != "", (link(one), trouble.removeprefix(LICENSE) or "yes", until))
        for one, trouble, until in _asked(request, row)
    ]
    lines.sort(key=lambda line: line[0])
    return Panel(
        "Who may lead it today",
        ("Therapist", "May lead", "Licensed until"),
        [line for _, line in lines],
        empty="No therapist yet.",
        note="A co-facilitator needs no credential: they work under the facilitator’s supervision.",
    )


def _asked(request: Any, row: SessionType) -> Iterator[tuple[Therapist, str, str]]:
    staff = Therapist.objects.visible_to(request.user).filter(clinic=row.clinic_id, active=True)
    for one in staff.prefetch_related("licenses"):
        yield one, *_told(one, list(one.licenses.all()), row, row.clinic)


def _told(
    therapist: Therapist, own: Sequence[License], kind: SessionType, clinic: Clinic
) -> tuple[str, str]:
    """Why the therapist may not lead the type today, or until when they are licensed for it."""
    today = timezone.localdate()
    if trouble := not_qualified(therapist, own, kind, clinic.state, today):
        return trouble, ""
    until = licensed_until(own, kind, clinic.state, today)
    return "", full_date(until) if until else "needs no license"


def may_lead_panel(request: Any, row: Therapist) -> Panel:
    """Which types of sessions a therapist may lead today, and why not the others."""
    kinds = SessionType.objects.visible_to(request.user).filter(clinic=row.clinic_id, active=True)
    own = list(row.licenses.all())
    told = [(kind, *_told(row, own, kind, row.clinic)) for kind in kinds]
    return Panel(
        "May lead",
        ("Sessions", "May lead", "Licensed until"),
        [(link(kind), why.removeprefix(LICENSE) or "yes", until) for kind, why, until in told],
        empty="No session type yet.",
        folded=True,
    )


# --- who could stand in --------------------------------------------------------------------------


def candidates(session: Session) -> list[Candidate]:
    return leaders_for(session.clinic, [session])[session.pk]


def candidate_choices(found: Sequence[Candidate]) -> list[Any]:
    """Of a select: whoever is free and qualified above the others."""
    free = [(one.therapist.pk, str(one.therapist)) for one in found if not one.trouble]
    others = [(one.therapist.pk, str(one.therapist)) for one in found if one.trouble]
    groups = (("Free and qualified", free), ("Others", others))
    return [("", "Select …"), *(group for group in groups if group[1])]


def candidate_panels(found: Sequence[Candidate]) -> Iterator[Panel]:
    """Whom to call, and why the others cannot."""
    yield Panel(
        "Free and qualified",
        ("Therapist", "Phone"),
        [
            (link(one.therapist), phone_link(one.therapist.phone) if one.therapist.phone else "")
            for one in found
            if not one.trouble
        ],
        empty="Nobody.",
    )
    others = [(link(one.therapist), one.trouble) for one in found if one.trouble]
    if others:
        yield Panel("Others", ("Therapist", "Why not"), others, folded=True)
