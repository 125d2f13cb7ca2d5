"""A real Celery worker process on the test database."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from iop_clinic import embedded
from iop_clinic.celery import app
from tests import services

READY_SECONDS = 60


class WorkerProcess:
    """`celery worker` as a child process, reading the same database, broker and mail server.

    It commits for itself, so a test that uses it needs `transactional_db`.
    """

    def __init__(
        self, database: dict[str, Any], *, smtp_port: int, pool: str = "prefork", slots: int = 2
    ) -> None:
        self._environ = {
            **os.environ,
            "DATABASE_URL": services.database_url(database),
            "EMAIL_URL": f"smtp://127.0.0.1:{smtp_port}",
            "CONN_MAX_AGE": "0",
        }
        self._pool = ["--pool", pool, "--concurrency", str(slots)]
        self._log = Path(tempfile.mkstemp(prefix="worker-", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def name(self) -> str:
        assert self.process
        return f"test-{self.process.pid}@localhost"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start the process and wait until it takes tasks."""
        command = [sys.executable, "-c", _NAMED_WORKER, *self._pool]
        command += ["--without-mingle", "--without-gossip", "--loglevel", "INFO"]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=self._environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=embedded.die_with_parent(signal.SIGKILL),
                start_new_session=True,
            )
        self._wait_until(lambda: " ready." in self.log, "ready")

    def _wait_until(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            assert self.process
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The worker is not {what}:\n{self.log}")
            time.sleep(0.05)

    def wait_until_idle(self) -> None:
        """Wait until the queue is empty and no task runs."""
        self._wait_until(lambda: queue_length() == 0 and not self._busy(), "idle")

    def _busy(self) -> bool:
        inspect = app.control.inspect(destination=[self.name], timeout=2, limit=1)
        return any((inspect.active() or {}).values()) or any((inspect.reserved() or {}).values())

    def kill(self) -> None:
        """End it at once (SIGKILL, children too), as a power cut would."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in order, running tasks first; kill it after 10 seconds."""
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.unlink(missing_ok=True)


# The node's name holds the process id, so that two workers never answer for each other.
_NAMED_WORKER = """
import os, sys
from celery.__main__ import main
name = f"test-{os.getpid()}@localhost"
sys.argv = ["celery", "-A", "iop_clinic", "worker", "--hostname", name, *sys.argv[1:]]
main()
"""


def queue_length() -> int:
    """How many tasks wait in this run's queue."""
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        return int(channel.client.llen(app.conf.task_default_queue))


def purge() -> None:
    """Forget the tasks that wait in this run's queue."""
    with app.connection_for_write() as connection:
        connection.default_channel.client.delete(app.conf.task_default_queue)
