"""Signing in, the working clinic, staff and credentials at the admin site."""

from __future__ import annotations

import datetime

import pytest
from django.test import Client
from django.urls import reverse

from iop_clinic.accounts.models import Clinic, License, Membership, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from tests import factories
from tests.admin import Desk, actors, desk, url
from tests.factories import PASSWORD


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory(name="Riverside", zone="America/Chicago")


@pytest.fixture
def administrator(clinic) -> Desk:
    return desk(clinic, Role.ADMINISTRATOR)


# --- signing in ------------------------------------------------------------------------------


def sign_in(email: str, password: str = PASSWORD):
    return Client().post(
        reverse("admin:login"), {"username": email, "password": password}, follow=True
    )


def test_a_member_signs_in_whatever_the_case_of_the_address(clinic):
    person = factories.staff(clinic, user__email="cleo@example.com")
    answer = sign_in("Cleo@Example.com")
    assert answer.wsgi_request.user == person
    assert answer.status_code == 200


@pytest.mark.parametrize("superuser", [False, True])
def test_a_person_without_a_clinic_is_refused_with_a_clear_sentence(db, superuser):
    person = factories.UserFactory(is_superuser=superuser)
    html = sign_in(person.email).content.decode()
    assert "You have no access to any clinic. Ask an administrator to invite you." in html


def test_a_wrong_password_says_nothing_about_the_address(clinic):
    person = factories.staff(clinic)
    sentence = "This email address and password do not belong together."
    assert sentence in sign_in(person.email, "wrong").content.decode()
    assert sentence in sign_in("nobody@example.com", "wrong").content.decode()


def test_somebody_who_lost_their_role_is_sent_away_on_the_next_click(administrator):
    other = desk(administrator.user.memberships.get().clinic)
    assert other.open(Patient).status_code == 200
    Membership.objects.filter(user=other.user).update(active=False)
    assert other.open(Patient).status_code == 302


# --- the working clinic and its times --------------------------------------------------------


@pytest.fixture
def elsewhere(administrator) -> Clinic:
    """A second clinic in which the administrator is at the front desk."""
    second = factories.ClinicFactory(name="Hillside", zone="America/Los_Angeles")
    factories.MembershipFactory(clinic=second, user=administrator.user, role=Role.FRONT_DESK)
    return second


def test_a_person_of_two_clinics_sees_one_at_a_time(administrator, elsewhere, clinic):
    here = factories.PatientFactory(clinic=clinic)
    there = factories.PatientFactory(clinic=elsewhere)
    html = administrator.open(Patient).content.decode()
    assert (here.record_number in html, there.record_number in html) == (True, False)
    answer = administrator.fill(Clinic, "switch", clinic_choice=elsewhere)
    assert answer.sentences == ["You now work in Hillside."]
    html = administrator.open(Patient).content.decode()
    assert (here.record_number in html, there.record_number in html) == (False, True)
    assert administrator.open(Membership).status_code == 403  # front desk there


def test_nobody_switches_to_a_clinic_they_do_not_work_in(administrator):
    stranger = factories.ClinicFactory()
    answer = administrator.fill(Clinic, "switch", clinic_choice=stranger)
    assert list(answer.errors) == ["clinic_choice"]
    assert User.objects.get(pk=administrator.user.pk).current_clinic is None


def test_every_page_names_the_clinic_and_the_zone_of_its_times(administrator):
    assert "Riverside · America/Chicago" in administrator.open(Patient).content.decode()


def test_the_zone_of_one_request_is_gone_in_the_next(administrator):
    from django.utils import timezone

    administrator.open(Patient)
    assert timezone.get_current_timezone_name() == "UTC"


def test_the_clinics_settings_are_changed_by_an_administrator_only(administrator, clinic):
    new = {"business_days": ["0", "5"], "adult_at": 21}
    assert administrator.fill(clinic, "change", **new).status == 302
    clinic.refresh_from_db()
    assert (clinic.business_days, clinic.adult_at, clinic.version) == ([0, 5], 21, 2)
    assert actors(clinic) == {administrator.user.actor}
    assert desk(clinic).open(clinic, "change").status_code == 403


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"nightly_at": "02:00"}, "Choose a nightly time outside 00:30-03:30."),
        ({"adult_at": 17}, "Adolescence ends between 18 and 21."),
        ({"adult_at": 22}, "Adolescence ends between 18 and 21."),
        ({"closes_at": "07:00"}, "The clinic must close after it opens."),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(administrator, clinic, wrong, sentence):
    assert administrator.fill(clinic, "change", **wrong).refusal == sentence
    assert Clinic.objects.get().version == 1


# --- staff -----------------------------------------------------------------------------------


def test_a_person_is_invited(administrator, clinic):
    answer = administrator.fill(
        Membership, "invite", email="new@example.com", name="New Person", role="front_desk"
    )
    membership = Membership.objects.get(user__email="new@example.com")
    assert (membership.clinic, membership.role) == (clinic, "front_desk")
    assert actors(membership, "I") == {administrator.user.actor}
    assert answer.sentences == [
        "New Person is invited. They sign in once they have set a password."
    ]


def test_a_last_day_of_access_is_not_past(administrator):
    answer = administrator.fill(
        Membership, "invite", email="new@example.com", name="New", role="auditor",
        ends_on="2020-01-01",
    )  # fmt: skip
    assert answer.errors == {"ends_on": ["This day is past: choose today or a later one."]}
    assert not User.objects.filter(email="new@example.com").exists()


def test_somebody_who_has_a_password_is_only_told(administrator):
    known = factories.staff(factories.ClinicFactory(), Role.FRONT_DESK)
    answer = administrator.fill(
        Membership, "invite", email=known.email, name="x", role="front_desk"
    )
    assert answer.sentences == [
        f"{known} is told by mail, and signs in with the password they have."
    ]


def test_a_new_role_keeps_the_last_day_unless_it_is_changed(administrator, clinic):
    last = datetime.date(2099, 1, 31)
    member = factories.staff(clinic).memberships.get()
    administrator.fill(member, "role", role="front_desk", ends_on=last)
    administrator.fill(member, "role", role="coordinator")
    member.refresh_from_db()
    assert (member.role, member.ends_on) == ("coordinator", last)


def test_an_ended_access_gets_no_new_role(administrator, clinic):
    member = factories.staff(clinic).memberships.get()
    administrator.fill(member, "deactivate")
    answer = administrator.fill(member, "role", role="front_desk")
    assert answer.refusal == "This person's access has ended: invite them again."
    member.refresh_from_db()
    assert (member.active, member.role) == (False, "coordinator")


def test_somebody_who_works_here_is_not_invited_again(administrator):
    answer = administrator.fill(
        Membership, "invite", email=administrator.user.email, name="x", role="front_desk"
    )
    assert answer.errors == {"email": ["This person already has a role in this clinic."]}
    assert Membership.objects.count() == 1


def test_a_role_is_changed_and_a_therapist_must_be_named(administrator, clinic):
    member = factories.staff(clinic).memberships.get()
    answer = administrator.fill(member, "role", role="therapist")
    assert answer.errors == {"therapist": ["Choose which therapist this person is."]}
    answer = administrator.fill(member, "role", role="front_desk")
    assert answer.sentences == [f"{member.user} is front desk from the next click on."]
    assert actors(member) == {administrator.user.actor}


def test_access_ends_at_once_but_never_for_the_last_administrator(administrator, clinic):
    member = factories.staff(clinic).memberships.get()
    administrator.fill(member, "deactivate")
    member.refresh_from_db()
    assert (member.active, actors(member)) == (False, {administrator.user.actor})
    own = administrator.user.memberships.get()
    answer = administrator.fill(own, "deactivate")
    assert answer.refusal == "Give another person the administrator's role first."
    own.refresh_from_db()
    assert own.active


def test_an_invitation_is_sent_again_only_while_it_is_open(administrator, clinic):
    member = factories.staff(clinic).memberships.get()
    answer = administrator.fill(member, "resend")
    assert answer.refusal == (
        "This person has set a password already, and can ask for a new one at the sign-in page."
    )
    member.user.set_unusable_password()
    member.user.save()
    answer = administrator.fill(member, "resend")
    assert answer.sentences == [f"The invitation is on its way to {member.user.email}."]


def test_a_therapist_is_entered_with_a_license(administrator):
    answer = administrator.fill(Therapist, "add", name="Dana Reed", credentials="LCSW")
    therapist = Therapist.objects.get()
    assert answer.sentences[-1].startswith("Next: add their license")
    given = {"credential": "LCSW", "state": "ny", "number": "7", "expires_on": "2030-01-31"}
    administrator.fill(therapist, "license", **given)
    license_ = License.objects.get()
    assert (license_.state, license_.expires_on) == ("NY", datetime.date(2030, 1, 31))
    assert actors(license_, "I") == actors(therapist, "I") == {administrator.user.actor}
    answer = administrator.fill(therapist, "license", **given | {"issued_on": "2031-01-01"})
    assert answer.errors == {"expires_on": ["The license ends before it was issued."]}
    assert License.objects.count() == 1


def test_an_edit_from_an_old_page_is_refused_without_a_service_too(administrator):
    therapist = factories.TherapistFactory(clinic=administrator.user.memberships.get().clinic)
    administrator.fill(therapist, "change", phone="1")
    answer = administrator.fill(therapist, "change", version=1, phone="2")
    assert "changed Phone: empty → 1." in answer.refusal
    therapist.refresh_from_db()
    assert (therapist.phone, therapist.version) == ("1", 2)


def test_who_may_not_see_settings_is_led_back_from_the_change_of_clinic_to_the_morning_page(clinic):
    """The list of clinics answers 403 to all but administrators."""
    html = desk(clinic, Role.COORDINATOR).open(Clinic, "switch").content.decode()
    assert f'href="{url(Clinic)}"' not in html
    assert f'href="{reverse("admin:index")}"' in html
    own = desk(clinic, Role.ADMINISTRATOR).open(Clinic, "switch").content.decode()
    assert f'href="{url(Clinic)}"' in own
