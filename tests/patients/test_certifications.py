"""Certifications: entered, due again as the payer asks, corrected (R6)."""

import datetime

import pytest
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.roles import Role
from patients.models import Certification, Coverage
from patients.services import certify, edit_certification
from tests import factories
from tests.admin import actors, desk

pytestmark = pytest.mark.django_db

DAY, ONE = datetime.date(2026, 3, 2), datetime.timedelta(days=1)
JOB = Job("test")


@pytest.fixture
def episode():
    return factories.admitted(factories.ClinicFactory())


def covered(episode, days, starts_on=DAY, ends_on=None):
    payer = factories.PayerFactory(clinic=episode.clinic, certification_days=days)
    same = {"clinic": episode.clinic, "patient": episode.patient, "payer": payer}
    Coverage.objects.create(**same, starts_on=starts_on, ends_on=ends_on)


@pytest.mark.parametrize(
    ("coverages", "days"),
    [
        ([], 60),
        ([(None,)], 60),
        ([(90,)], 90),
        ([(90,), (30,)], 30),
        ([(30, DAY - 9 * ONE, DAY - ONE)], 60),
        ([(30, DAY + ONE)], 60),
        ([(30, DAY - 9 * ONE, DAY)], 30),
    ],
    ids=["none", "asks for none", "one", "the stricter", "ended", "not begun", "last day"],
)
def test_it_is_due_again_as_the_payers_in_force_ask(episode, coverages, days):
    for one in coverages:
        covered(episode, *one)
    row = certify(episode=episode, certified_on=DAY, by=JOB)
    assert row.due_again_on == DAY + days * ONE


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"certified_on": datetime.date(2026, 1, 4)}, "before_referral"),
        ({"due_again_on": DAY}, "certification_due_later"),
    ],
)
def test_a_wrong_one_is_refused(episode, facts, code):
    with pytest.raises(Refused) as refused:
        certify(**{"episode": episode, "certified_on": DAY, "by": JOB, **facts})
    assert refused.value.code == code
    assert not Certification.objects.exists()


def test_nobody_certifies_tomorrow(episode):
    tomorrow = timezone.localdate(timezone=episode.clinic.tz) + ONE
    with pytest.raises(Refused) as refused:
        certify(episode=episode, certified_on=tomorrow, by=JOB)
    assert (refused.value.code, refused.value.field) == ("in_future", "certified_on")


def test_a_wrong_entry_is_corrected(episode):
    row = certify(episode=episode, certified_on=DAY, by=JOB)
    edit_certification(certification=row, due_again_on=DAY + 30 * ONE, by=JOB)
    assert Certification.objects.get().due_again_on == DAY + 30 * ONE
    with pytest.raises(Refused) as refused:
        edit_certification(certification=row, due_again_on=DAY - ONE, by=JOB)
    assert refused.value.code == "certification_due_later"
    assert Certification.objects.get().due_again_on == DAY + 30 * ONE
    with pytest.raises(TypeError):
        edit_certification(certification=row, episode=episode, by=JOB)


def test_utilization_review_enters_and_corrects_it_at_the_admin_site(episode):
    reviewer = desk(episode.clinic, Role.UTILIZATION_REVIEW)
    answer = reviewer.fill(episode, "certify", certified_on=DAY)
    assert answer.sentences == ["Certified. The next one is due on May 1, 2026."]
    row = Certification.objects.get()
    reviewer.fill(row, "change", certified_by="Dr. Who")
    row.refresh_from_db()
    assert row.certified_by == "Dr. Who"
    assert actors(row, "I") == actors(row, "U") == {reviewer.user.actor}


def test_a_therapist_may_not(episode):
    therapist = desk(episode.clinic, Role.THERAPIST)
    page = f"/admin/patients/episode/{episode.pk}/certify/"
    assert therapist.send(page, {"certified_on": DAY}).status in (403, 404)
    assert not Certification.objects.exists()
