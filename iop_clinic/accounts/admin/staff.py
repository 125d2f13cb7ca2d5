"""Who works in the clinic: roles, therapists, licenses."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets
from unfold.decorators import display

from iop_clinic.accounts import services
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.calendar_links import revoke_link_of
from iop_clinic.accounts.models import Clinic, License, Membership, Therapist, User
from iop_clinic.accounts.roles import Can, Role
from iop_clinic.accounts.weeks import full_date


class AccessForm(ServiceForm):
    """A role in the clinic, and until when."""

    can = Can.MANAGE_STAFF
    role = choice_field(Role.choices)
    therapist = row_field(
        Therapist.objects.all(), required=False, help_text="For therapists: which one they are."
    )
    ends_on = date_field(
        "Last day of access", required=False, help_text="Auditors always have one."
    )

    def clean_ends_on(self) -> datetime.date | None:
        day: datetime.date | None = self.cleaned_data["ends_on"]
        if day is not None and day < timezone.localdate(timezone=self.clinic.tz):
            raise forms.ValidationError("This day is past: choose today or a later one.")
        return day


class InviteForm(AccessForm):
    title = "Invite a person"
    path = "invite"
    button = "Send the invitation"
    explanation = "They get a mail with a link to set their own password."
    wants_row = False
    field_order = ("email", "name")
    email = forms.EmailField(widget=widgets.UnfoldAdminEmailInputWidget())
    name = text_field(max_length=120)

    def run(self) -> str:
        membership = services.invite(clinic=self.clinic, by=self.user, **self.given)
        if membership.user.has_usable_password():
            return f"{membership.user} is told by mail, and signs in with the password they have."
        return f"{membership.user} is invited. They sign in once they have set a password."


class RoleForm(AccessForm):
    title = "Change the role"
    path = "role"

    @classmethod
    def offered(cls, row: Membership) -> bool:
        return row.active

    def narrow(self) -> None:
        self.start_with(
            role=self.row.role, therapist=self.row.therapist_id, ends_on=self.row.ends_on
        )

    def run(self) -> str:
        if not self.row.active:
            raise Refused("not_active", "This person's access has ended: invite them again.")
        services.set_role(membership=self.row, by=self.user, **self.given)
        return f"{self.row.user} is {self.row.get_role_display().lower()} from the next click on."


class DeactivateForm(ServiceForm):
    title = "End access"
    path = "deactivate"
    explanation = "The person is signed out at once. What they recorded stays under their name."
    can = Can.MANAGE_STAFF
    danger = True

    @classmethod
    def offered(cls, row: Membership) -> bool:
        return row.active

    def run(self) -> str:
        services.deactivate(membership=self.row, by=self.user)
        return f"{self.row.user} has no access to this clinic any more."


class EndCalendarLinkForm(ServiceForm):
    title = "End the calendar link"
    path = "end-calendar-link"
    explanation = (
        "For a lost phone: the secret address of this person's calendar stops at once. They can "
        "make a new one, and everything else of their access stays."
    )
    can = Can.MANAGE_STAFF
    danger = True

    @classmethod
    def offered(cls, row: Membership) -> bool:
        return row.active and row.therapist_id is not None

    def run(self) -> str:
        revoke_link_of(membership=self.row, by=self.user)
        return f"{self.row.user}'s calendar link has ended."


class ResendForm(ServiceForm):
    title = "Send the invitation again"
    path = "resend"
    can = Can.MANAGE_STAFF

    @classmethod
    def offered(cls, row: Membership) -> bool:
        return row.active

    def run(self) -> str:
        services.resend_invitation(membership=self.row, by=self.user)
        return f"The invitation is on its way to {self.row.user.email}."


@admin.register(Membership)
class MembershipAdmin(ClinicModelAdmin):
    """Staff: people and their roles."""

    view = Can.MANAGE_STAFF
    change = Can.MANAGE_STAFF
    list_display = ("user", "email", "role", "therapist", "active", "ends_on")
    list_filter = ("role", "active")
    search_fields = ("user__name", "user__email")
    related = ("user", "therapist")
    ordering = ("user__name", "pk")
    fields = ("user", "role", "therapist", "active", "ends_on", "receives_reports")
    readonly_fields = ("user", "role", "therapist", "active", "ends_on")
    list_verbs = (InviteForm,)
    verbs = (RoleForm, ResendForm, EndCalendarLinkForm, DeactivateForm)

    @display(description="Email")
    def email(self, row: Membership) -> str:
        return row.user.email


class LicenseForm(ServiceForm):
    title = "Add a license"
    path = "license"
    can = Can.MANAGE_STAFF
    credential = text_field(max_length=20, help_text="LCSW, LPC, LMFT, LADC, CADC …")
    state = text_field("US state", max_length=2)
    number = text_field(max_length=40)
    issued_on = date_field(required=False)
    expires_on = date_field()
    may_diagnose = yes_field("Allows a diagnosis", initial=True)

    def run(self) -> str:
        row = services.add_license(therapist=self.row, by=self.user, **self.given)
        return (
            f"{row} is entered. Diagnoses can be made under it until {full_date(row.expires_on)}."
        )


@admin.register(Therapist)
class TherapistAdmin(ClinicModelAdmin):
    """What they carry and lead is told by the floors that know it."""

    view = Can.VIEW_SCHEDULE
    add = Can.MANAGE_STAFF
    change = Can.MANAGE_STAFF
    panels_first = True
    reads_are_noted = True
    list_display: tuple[Any, ...] = ("name", "credentials", "phone", "max_caseload", "active")
    list_filter = ("active",)
    search_fields = ("name",)
    fields = ("name", "credentials", "phone", "max_caseload", "active")
    verbs = (LicenseForm,)
    next_step = "Next: add their license, then invite them so that they can sign in."

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else self.fields[:-1]

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Therapist:
        return services.add_therapist(clinic=clinic, by=by, **facts)

    def panels(self, request: Any, row: Therapist) -> Iterable[Panel]:
        licenses = row.licenses.visible_to(request.user)
        yield Panel(
            "Licenses",
            ("License", "Number", "Valid until", "Allows a diagnosis"),
            [
                (link(one, f"{one.credential} {one.state}"), one.number, _valid_until(one),
                 "yes" if one.may_diagnose else "no")
                for one in licenses
            ],
            empty="None yet: without a license this therapist cannot diagnose.",
        )  # fmt: skip


def _valid_until(row: License) -> str:
    """The date, and how many days are left."""
    left = (row.expires_on - timezone.localdate()).days
    said = full_date(row.expires_on)
    if left < 0:
        return format_html('{} <strong class="clinic-late">ended</strong>', said)
    return f"{said}, {left} day{'' if left == 1 else 's'} left"


@admin.register(License)
class LicenseAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    change = Can.MANAGE_STAFF
    list_display = ("therapist", "credential", "state", "number", "expires_on", "may_diagnose")
    list_filter = ("credential", "may_diagnose")
    search_fields = ("therapist__name", "number")
    related = ("therapist",)
    ordering = ("expires_on", "pk")
    fields = (
        "therapist",
        "credential",
        "state",
        "number",
        "issued_on",
        "expires_on",
        "may_diagnose",
    )
    fixed_fields = ("therapist",)
