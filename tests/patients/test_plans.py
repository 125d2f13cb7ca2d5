"""Plans, holds, coverage and authorizations of an admitted patient."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import pytest
import time_machine
from django.db import connection

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from patients.models import AgeBracket, Authorization, Coverage, Episode, Level, TreatmentPlan
from patients.services import (
    add_coverage,
    authorize,
    certify,
    edit_authorization,
    edit_coverage,
    edit_plan,
    put_on_hold,
    resume,
    set_plan,
    settle_holds,
)
from tests import factories

DAY = datetime.date(2026, 3, 2)
ONE = datetime.timedelta(1)
WEEK = 7 * ONE
IOP: dict[str, Any] = {
    "level": Level.IOP,
    "age_bracket": AgeBracket.ADULT,
    "weekly_minutes_target": 600,
    "days_per_week": 3,
}


@pytest.fixture
def episode(db) -> Episode:
    """Admitted on DAY with an open plan of 540 minutes."""
    return factories.admitted(factories.ClinicFactory(), on=DAY)


@pytest.fixture
def by(episode) -> User:
    return factories.staff(episode.clinic)


def refusal(function, **arguments: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        function(**arguments)
    return refused.value


def plans(episode: Episode) -> list[tuple[int, datetime.date, datetime.date | None]]:
    found = episode.plans.order_by("starts_on")
    return list(found.values_list("weekly_minutes_target", "starts_on", "ends_on"))


# --- plans ---------------------------------------------------------------------------------------


def test_a_new_plan_ends_the_one_in_force_on_the_day_before(episode, by):
    set_plan(episode=episode, starts_on=DAY + WEEK, by=by, **IOP)
    assert plans(episode) == [(540, DAY, DAY + WEEK - ONE), (600, DAY + WEEK, None)]
    assert episode.plans.get(starts_on=DAY).version == 2


def test_a_plan_after_a_gap_leaves_the_last_one_alone(episode, by):
    episode.plans.update(ends_on=DAY)
    set_plan(episode=episode, starts_on=DAY + WEEK, by=by, **IOP)
    assert plans(episode) == [(540, DAY, DAY), (600, DAY + WEEK, None)]


@pytest.mark.parametrize(
    ("level", "bracket", "target"),
    [
        (Level.IOP, AgeBracket.ADULT, 539),
        (Level.IOP, AgeBracket.ADULT, 1201),
        (Level.IOP, AgeBracket.ADOLESCENT, 359),
        (Level.PHP, AgeBracket.ADULT, 1199),
        (Level.OP, AgeBracket.ADULT, 540),
    ],
)
def test_a_target_outside_the_level_names_its_field(episode, by, level, bracket, target):
    if bracket == AgeBracket.ADOLESCENT:
        born_so_that(episode, 17)
    before = plans(episode)
    facts = IOP | {
        "level": level, "age_bracket": bracket, "weekly_minutes_target": target,
    }  # fmt: skip
    refused = refusal(set_plan, episode=episode, starts_on=DAY + WEEK, by=by, **facts)
    assert (refused.code, refused.field) == ("target_outside_level", "weekly_minutes_target")
    assert "minutes a week" in refused.message
    assert plans(episode) == before


def born_so_that(episode: Episode, age: int, *, on: datetime.date = DAY + WEEK) -> None:
    """The patient turns so old on a date."""
    episode.patient.birth_date = on.replace(year=on.year - age)
    episode.patient.save()


YOUTH: dict[str, Any] = IOP | {"age_bracket": AgeBracket.ADOLESCENT}


@pytest.mark.parametrize(("age", "plan"), [(17, YOUTH), (18, YOUTH), (18, IOP), (20, YOUTH)])
def test_between_18_and_21_either_bracket_fits(episode, by, age, plan):
    born_so_that(episode, age)
    new = set_plan(episode=episode, starts_on=DAY + WEEK, by=by, **plan)
    assert new.age_bracket == plan["age_bracket"]


@pytest.mark.parametrize(
    ("age", "plan", "message"),
    [
        (17, IOP, "The patient is 17 on Mar 9, 2026: below 18 choose adolescent"),
        (21, YOUTH, "The patient is 21 on Mar 9, 2026: from 21 on adult"),
    ],
)
def test_a_bracket_against_the_birth_date_is_refused_at_its_field(episode, by, age, plan, message):
    born_so_that(episode, age)
    before = plans(episode)
    refused = refusal(set_plan, episode=episode, starts_on=DAY + WEEK, by=by, **plan)
    assert (refused.code, refused.field) == ("age_bracket", "age_bracket")
    assert refused.message == f"{message}, or correct the birth date."
    assert plans(episode) == before


def test_a_correction_is_held_against_the_birth_date_too(episode, by):
    plan = episode.plans.get()
    refused = refusal(edit_plan, plan=plan, by=by, version=1, age_bracket=AgeBracket.ADOLESCENT)
    assert refused.field == "age_bracket"
    assert TreatmentPlan.objects.get().age_bracket == AgeBracket.ADULT


@pytest.mark.parametrize("level", [0, 9])
def test_an_unknown_level_names_its_field(episode, by, level):
    refused = refusal(
        set_plan, episode=episode, starts_on=DAY + WEEK, by=by, **IOP | {"level": level}
    )
    assert (refused.code, refused.field) == ("invalid", "level")


def test_a_refused_plan_leaves_the_one_in_force_inside_another_service(episode, by):
    @service
    def importing(*, by):
        refusal(
            set_plan, episode=episode, starts_on=DAY + WEEK, by=by, **IOP | {"days_per_week": 8}
        )

    importing(by=by)
    assert plans(episode) == [(540, DAY, None)]


def test_a_plan_starts_inside_the_episode(episode, by):
    asked = {"episode": episode, "by": by, **IOP}
    early = refusal(set_plan, starts_on=DAY - ONE, **asked)
    assert (early.code, early.field) == ("before_referral", "starts_on")
    Episode.objects.update(state="discharged", discharged_on=DAY + WEEK, discharge_reason="other")
    late = refusal(set_plan, starts_on=DAY + WEEK + ONE, **asked)
    assert (late.code, late.field) == ("after_discharge", "starts_on")


def test_a_plan_is_not_laid_over_one_that_begins_that_day_or_later(episode, by):
    set_plan(episode=episode, starts_on=DAY + WEEK, by=by, **IOP)
    before = plans(episode)
    for starts_on in (DAY + ONE, DAY + WEEK):
        refused = refusal(set_plan, episode=episode, starts_on=starts_on, by=by, **IOP)
        assert refused.code == "plan_overlap"
    assert plans(episode) == before


def test_a_plan_is_corrected_by_version(episode, by):
    plan = episode.plans.get()
    edit_plan(plan=plan, by=by, version=1, weekly_minutes_target=720, days_per_week=4)
    refused = refusal(edit_plan, plan=plan, by=by, version=1, weekly_minutes_target=600)
    assert refused.code == "stale_version"
    outside = refusal(edit_plan, plan=plan, by=by, version=2, level=Level.PHP)
    assert outside.code == "target_outside_level"
    stored = TreatmentPlan.objects.get()
    assert (stored.weekly_minutes_target, stored.days_per_week, stored.version) == (720, 4, 2)


@pytest.mark.django_db(transaction=True)
def test_two_plans_at_once_take_turns():
    episode = factories.admitted(factories.ClinicFactory(), on=DAY)
    together = threading.Barrier(2)
    answers: list[str] = []

    def prescribe() -> None:
        together.wait(10)
        try:
            set_plan(episode=Episode.objects.get(), starts_on=DAY + WEEK, by=Job("test"), **IOP)
            answers.append("set")
        except Refused as refused:
            answers.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=prescribe) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == ["plan_overlap", "set"]
    assert plans(episode) == [(540, DAY, DAY + WEEK - ONE), (600, DAY + WEEK, None)]


# --- holds ---------------------------------------------------------------------------------------


@pytest.fixture
def on_day():
    with time_machine.travel("2026-03-02T15:00Z", tick=False):
        yield


def state(episode: Episode) -> str:
    return Episode.objects.get(pk=episode.pk).state


def holds(episode: Episode) -> list[tuple[datetime.date, datetime.date | None]]:
    return list(episode.holds.order_by("starts_on").values_list("starts_on", "ends_on"))


def test_a_hold_from_today_shows_in_the_state_until_the_patient_is_back(episode, by, on_day):
    put_on_hold(episode=episode, starts_on=DAY, reason="hospital", by=by)
    assert state(episode) == "on_hold"
    resume(episode=episode, resumes_on=DAY + WEEK, by=by)
    assert (state(episode), holds(episode)) == ("on_hold", [(DAY, DAY + WEEK - ONE)])
    assert settle_holds(clinic=episode.clinic, today=DAY + WEEK - ONE, by=by) == 0
    assert settle_holds(clinic=episode.clinic, today=DAY + WEEK, by=by) == 1
    assert state(episode) == "admitted"


def test_a_hold_in_the_future_begins_with_its_day(episode, by, on_day):
    put_on_hold(episode=episode, starts_on=DAY + ONE, ends_on=DAY + WEEK, reason="leave", by=by)
    assert state(episode) == "admitted"
    assert settle_holds(clinic=episode.clinic, today=DAY + ONE, by=by) == 1
    assert state(episode) == "on_hold"


def test_a_patient_who_is_back_before_the_hold_began_was_never_away(episode, by, on_day):
    put_on_hold(episode=episode, starts_on=DAY, reason="leave", by=by)
    resume(episode=episode, resumes_on=DAY, by=by)
    assert (state(episode), holds(episode)) == ("admitted", [])


def test_a_hold_that_makes_no_sense_is_refused(episode, by, on_day):
    asked = {"episode": episode, "reason": "jail", "by": by}
    early = refusal(put_on_hold, starts_on=DAY - ONE, **asked)
    backwards = refusal(put_on_hold, starts_on=DAY + ONE, ends_on=DAY, **asked)
    assert (early.code, early.field) == ("before_admission", "starts_on")
    assert (backwards.code, backwards.field) == ("before_start", "ends_on")
    put_on_hold(starts_on=DAY, **asked)
    assert refusal(put_on_hold, starts_on=DAY + ONE, **asked).code == "episodehold_no_overlap"
    assert holds(episode) == [(DAY, None)]


def test_a_referral_is_not_put_on_hold_and_nobody_resumes_twice(episode, by, on_day):
    referral = factories.EpisodeFactory(patient__clinic=episode.clinic)
    asked = {"starts_on": DAY, "reason": "leave", "by": by}
    assert refusal(put_on_hold, episode=referral, **asked).code == "not_active"
    assert refusal(resume, episode=episode, resumes_on=DAY, by=by).code == "not_on_hold"


def test_settling_leaves_other_clinics_alone(episode, by, on_day):
    other = factories.admitted(factories.ClinicFactory(), on=DAY)
    put_on_hold(episode=other, starts_on=DAY, ends_on=DAY, reason="leave", by=by)
    assert settle_holds(clinic=episode.clinic, today=DAY + WEEK, by=by) == 0
    assert state(other) == "on_hold"


# --- who pays ------------------------------------------------------------------------------------


def authorization(episode: Episode, by: User, **facts: Any) -> Authorization:
    payer = facts.pop("payer", None) or factories.PayerFactory(clinic=episode.clinic)
    return authorize(
        **{
            "episode": episode, "payer": payer, "number": "A1", "unit": "day", "units": 12,
            "starts_on": DAY, "ends_on": DAY + 4 * WEEK, "by": by, **facts,
        }
    )  # fmt: skip


def test_authorizations_of_a_payer_follow_each_other(episode, by):
    first = authorization(episode, by)
    same = {"episode": episode, "by": by, "payer": first.payer}
    authorization(**same, number="A2", starts_on=first.ends_on + ONE, ends_on=DAY + 8 * WEEK)
    overlap = refusal(authorization, **same, number="A3")
    number = refusal(authorization, **same, level=Level.PHP)
    assert (overlap.code, number.code) == (
        "authorization_overlap", "authorization_number_unique",
    )  # fmt: skip
    assert Authorization.objects.count() == 2


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"ends_on": DAY - ONE}, "before_start", "ends_on"),
        ({"starts_on": DAY - WEEK, "ends_on": DAY - ONE}, "before_referral", "ends_on"),
        ({"unit": "month"}, "invalid", "unit"),
        ({"units": 0}, "authorization_units_positive", ""),
        ({"number": ""}, "invalid", "number"),
    ],
)
def test_a_wrong_authorization_is_refused(episode, by, facts, code, field):
    refused = refusal(authorization, episode=episode, by=by, **facts)
    assert (refused.code, refused.field) == (code, field)
    assert not Authorization.objects.exists()


def test_a_payer_of_another_clinic_is_refused(episode, by):
    refused = refusal(authorization, episode=episode, by=by, payer=factories.PayerFactory())
    assert (refused.code, refused.field) == ("other_clinic", "payer")


def test_a_review_adds_units_by_version(episode, by):
    row = authorization(episode, by)
    edit_authorization(authorization=row, by=by, version=1, units=20)
    refused = refusal(edit_authorization, authorization=row, by=by, version=1, units=8)
    assert refused.code == "stale_version"
    assert (Authorization.objects.get().units, row.version) == (20, 2)


def test_a_coverage_is_entered_and_verified_later(episode, by):
    payer = factories.PayerFactory(clinic=episode.clinic)
    asked = {"patient": episode.patient, "payer": payer, "starts_on": DAY, "by": by}
    assert refusal(add_coverage, **asked, ends_on=DAY - ONE).field == "ends_on"
    coverage = add_coverage(**asked, verification_due_on=DAY + WEEK)
    edit_coverage(coverage=coverage, by=by, version=1, verified_on=DAY)
    assert Coverage.objects.get().verified_on == DAY


def test_a_certification_is_due_again_later(episode, by):
    asked = {"episode": episode, "by": by, "certified_on": DAY}
    assert certify(**asked, due_again_on=DAY + 60 * ONE).due_again_on == DAY + 60 * ONE
    refused = refusal(certify, **asked, due_again_on=DAY)
    assert refused.code == "certification_due_later"
