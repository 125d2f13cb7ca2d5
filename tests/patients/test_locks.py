"""The lock of an episode: in order, one statement, and in nobody's way who only refers to it."""

from __future__ import annotations

import datetime
import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.constraints import violation
from patients.locks import lock_and_refresh, lock_episodes
from patients.models import Evaluation, Patient
from patients.services import admit
from tests import factories
from tests.breaking import execute


@pytest.mark.django_db
def test_episodes_are_locked_by_key_in_one_statement():
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        lock_episodes([9, 3, 3, 7])
    (statement,) = [q["sql"] for q in queries if "FOR NO KEY UPDATE" in q["sql"]]
    assert statement.startswith('SELECT "patients_episode"."id" AS "pk" FROM')
    assert statement.endswith("ORDER BY 1 ASC FOR NO KEY UPDATE")


@pytest.mark.django_db
def test_without_ids_nothing_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        lock_episodes([])


@pytest.mark.django_db(transaction=True)
def test_a_locked_episode_can_still_be_referred_to():
    episode = factories.EpisodeFactory()
    therapist = factories.TherapistFactory(clinic=episode.clinic)
    answers: list[str] = []

    def refer_to_it() -> None:
        execute("SET lock_timeout = '2s'")
        Evaluation.objects.create(
            clinic=episode.clinic, episode=episode, evaluator=therapist, evaluated_on="2026-03-02"
        )
        answers.append("written")
        connection.close()

    with transaction.atomic():
        lock_episodes([episode.pk])
        other = threading.Thread(target=refer_to_it)
        other.start()
        other.join(10)
        assert answers == ["written"]


@pytest.mark.django_db(transaction=True)
def test_a_row_is_read_again_once_it_is_locked():
    patient = factories.PatientFactory(pronouns="she")
    Patient.objects.update(pronouns="they")
    with transaction.atomic():
        assert lock_and_refresh(patient).pronouns == "they"


@pytest.mark.django_db(transaction=True)
def test_an_admission_and_the_removal_of_its_paper_cannot_pass_each_other():
    episode = factories.EpisodeFactory()
    factories.document(episode, episode.referred_on)
    by = factories.staff(episode.clinic)
    answers: list[str] = []

    def remove() -> None:
        try:
            Evaluation.objects.all().delete()
        except IntegrityError as error:
            broken = violation(error)
            answers.append(broken.code if broken else "")
        connection.close()

    with transaction.atomic():
        admit(episode=episode, admitted_on=datetime.date(2026, 1, 5), by=by)
        other = threading.Thread(target=remove)
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(10)
    assert (answers, Evaluation.objects.count()) == (["admission_incomplete"], 1)
