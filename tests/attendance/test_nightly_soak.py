"""Fifty nights under accidents at random: nothing lost, nothing twice, and the same judgement."""

import random
import time

import pytest

from attendance.reports import queue
from tests.attendance import chaos

pytestmark = pytest.mark.soak

CLINICS, NIGHTS, ACCIDENTS = 2, 25, 40
SEED = 20260302


def test_fifty_nights_survive_accidents_at_random(no_celery_worker, start_celery_worker, smtp_sink):
    chance = random.Random(SEED)
    disturbed = [chaos.told_clinic(NIGHTS, seed) for seed in range(CLINICS)]
    twins = [chaos.told_clinic(NIGHTS, seed, active=False)[0] for seed in range(CLINICS)]
    worker = start_celery_worker()
    for _ in range(ACCIDENTS):
        if worker.process.poll() is not None:
            worker = start_celery_worker()
        queue.queue_tick()
        time.sleep(chance.uniform(0, 1.5))
        chaos.disturb(worker, smtp_sink, chance)
        chaos.over_lease()
        chaos.forgive_attempts()
    worker.kill()
    worker = start_celery_worker()
    chaos.ring_until_all_told([clinic for clinic, _ in disturbed], NIGHTS, seconds=300)
    chaos.assert_nothing_lost_nothing_twice(disturbed, NIGHTS, smtp_sink)
    worker.kill()
    for (clinic, _), twin in zip(disturbed, twins, strict=True):
        chaos.judge_undisturbed(twin, NIGHTS)
        found = chaos.judgement(clinic)
        assert len(found["cases"]) > 10
        assert found == chaos.judgement(twin)

    chaos.forget_connections()
