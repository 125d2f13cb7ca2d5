"""What every test shares: the servers, chosen before the settings are loaded, and a few fixtures.

`smtp_sink` is a real SMTP server, `celery_worker_process` a real worker on the test database.
"""

import gc
import os

from tests import services

services.provide(os.environ)
os.environ["DJANGO_SETTINGS_MODULE"] = "iop_clinic.settings"

# The imports below need the addresses chosen above.
from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import django  # noqa: E402
import pytest  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402
from django.test import TransactionTestCase  # noqa: E402

from tests.emptying import empty_tables, vacuum_large_tables  # noqa: E402
from tests.mail import SmtpSink  # noqa: E402
from tests.workers import WorkerProcess, purge  # noqa: E402


def pytest_xdist_setupnodes() -> None:
    """With the settings named in the environment that they inherit, the processes of pytest-xdist
    would load them before this file has given each of them servers of its own."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through it for garbage is a tenth of the tests' time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture(scope="module", autouse=True)
def _tables_stay_small(django_db_blocker: Any) -> Iterator[None]:
    """After each file, once the transactions that its tests share are over."""
    yield
    if connection.connection is not None and not connection.in_atomic_block:
        with django_db_blocker.unblock():
            vacuum_large_tables()


@pytest.fixture(scope="session")
def _smtp_server() -> Iterator[SmtpSink]:
    sink = SmtpSink()
    yield sink
    sink.close()


@pytest.fixture
def smtp_sink(_smtp_server: SmtpSink, settings: Any) -> Iterator[SmtpSink]:
    """A real SMTP server that this process and the worker send to; empty at the start."""
    _smtp_server.reset()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = _smtp_server.host
    settings.EMAIL_PORT = _smtp_server.port
    yield _smtp_server
    _smtp_server.reset()


@pytest.fixture(scope="module")
def _shared_worker(
    django_db_setup: None, django_db_blocker: Any, _smtp_server: SmtpSink
) -> Iterator[list[WorkerProcess]]:
    """One worker for a file's tests, started by the first that needs it. No longer: it would take
    what a test without a worker queues."""
    kept: list[WorkerProcess] = []
    yield kept
    for worker in kept:
        worker.stop()


@pytest.fixture
def celery_worker_process(
    transactional_db: None, _shared_worker: list[WorkerProcess], smtp_sink: SmtpSink
) -> Iterator[WorkerProcess]:
    """A real worker process that is idle before and after the test.

    A test may kill it; the next one gets a new one. Tasks see committed rows only.
    """
    if _shared_worker and _shared_worker[0].process.poll() is not None:  # type: ignore[union-attr]
        _shared_worker.clear()
    purge()
    if not _shared_worker:
        _shared_worker.append(WorkerProcess(connection.settings_dict, smtp_port=smtp_sink.port))
    worker = _shared_worker[0]
    yield worker
    purge()
    if worker.process and worker.process.poll() is None:
        worker.wait_until_idle()


@pytest.fixture
def no_celery_worker(transactional_db: None, _shared_worker: list[WorkerProcess]) -> Iterator[None]:
    """Nobody takes a task, so the messages that a test sends stay in the queue."""
    for worker in _shared_worker:
        worker.stop()
    purge()
    yield
    purge()


@pytest.fixture
def start_celery_worker(
    transactional_db: None, smtp_sink: SmtpSink
) -> Iterator[Callable[..., WorkerProcess]]:
    """A function that starts one more worker, for tests that kill workers or race them."""
    started: list[WorkerProcess] = []

    def start(**options: Any) -> WorkerProcess:
        worker = WorkerProcess(connection.settings_dict, smtp_port=smtp_sink.port, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()
    purge()
