"""A real gunicorn on the test database, and clients that call it over HTTP."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.test import Client

from iop_clinic import embedded
from iop_clinic.accounts.models import User
from tests import services

READY_SECONDS = 60
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")


class WebProcess:
    """`gunicorn` as the demo and the image run it, as a child process on a port of its own.

    It commits for itself, so a test that uses it needs `transactional_db`. `environ` changes what
    it inherits, such as the address of a broker that is not there.
    """

    def __init__(self, *, workers: int = 2, threads: int = 4, **environ: str) -> None:
        self.slots = workers * threads
        self._log = Path(tempfile.mkstemp(prefix="web-", suffix=".log")[1])
        command = [sys.executable, "-m", "gunicorn", "iop_clinic.wsgi", "--no-control-socket"]
        command += ["--worker-class", "gthread", "--bind", "127.0.0.1:0"]
        command += ["--workers", str(workers), "--threads", str(threads)]
        database = services.database_url(connection.settings_dict)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "DATABASE_URL": database, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=embedded.die_with_parent(signal.SIGKILL),
                start_new_session=True,
            )
        self.port = self._wait_for_port()
        self._warm_up()

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if found := LISTENING.search(self.log):
                return int(found[1])
            time.sleep(0.05)
        self.stop()
        raise AssertionError("gunicorn does not listen")

    def _warm_up(self) -> None:
        """Let every process load its routes and every thread open its connection."""
        with ThreadPoolExecutor(2 * self.slots) as pool:
            for _ in range(3):
                list(pool.map(lambda _: self.call("GET", "/readyz"), range(4 * self.slots)))

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def call(self, method: str, path: str, *, token: str = "", **request: Any) -> "Answer":
        """One request on a connection of its own.

        `body` is sent as JSON; `if_match` (a version) and `key` (of idempotency) as headers.
        """
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if "if_match" in request:
            headers["If-Match"] = f'"{request["if_match"]}"'
        if "key" in request:
            headers["Idempotency-Key"] = request["key"]
        body = json.dumps(request["body"]) if "body" in request else None
        return self.ask(method, path, body, headers)

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> "Answer":
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        try:
            link.request(method, path, body, headers)
            response = link.getresponse()
            content = response.read()
        finally:
            link.close()
        seconds = time.perf_counter() - began
        kind = response.getheader("Content-Type", "")
        told = content.decode() if kind.startswith("text/html") else json.loads(content or "null")
        return Answer(response.status, kind, told, seconds)

    def stop(self) -> None:
        """End it in order, its database connections too; kill it after 10 seconds."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._log.unlink(missing_ok=True)


@contextmanager
def serving(workers: int) -> Iterator[WebProcess]:
    """A web server in which no fault and no deadlock happens, not even one that a retry hides."""
    before = deadlocks()
    server = WebProcess(workers=workers)
    try:
        yield server
        log = server.log
    finally:
        server.stop()  # a connection reports its deadlocks at the latest when it closes
    assert deadlocks() == before
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@dataclass(frozen=True)
class Answer:
    """What a client got, and after how many seconds."""

    status: int
    content_type: str
    body: Any
    seconds: float

    @property
    def code(self) -> str:
        """The problem's code, or "ok"."""
        problem = self.content_type == "application/problem+json"
        return self.body["code"] if problem else "ok"


@dataclass(frozen=True)
class Caller:
    """A signed-in device: its calls carry its token."""

    web: WebProcess
    token: str

    def get(self, path: str) -> Any:
        """The body of an answer that must be 200."""
        answer = self.web.call("GET", path, token=self.token)
        assert answer.status == 200, answer
        return answer.body

    def send(self, method: str, path: str, **request: Any) -> Answer:
        return self.web.call(method, path, token=self.token, **request)


@dataclass(frozen=True)
class Visitor:
    """A person at the admin site, in a browser of their own."""

    web: WebProcess
    session: str

    @classmethod
    def of(cls, web: WebProcess, user: User) -> "Visitor":
        client = Client()
        client.force_login(user)
        return cls(web, client.cookies["sessionid"].value)

    def fill(self, path: str, **data: Any) -> Answer:
        """Send a form: 302 when it is done, 200 when it is shown again with what is wrong."""
        secret = "s" * 32
        body = urlencode({**data, "csrfmiddlewaretoken": secret})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"sessionid={self.session}; csrftoken={secret}",
        }
        return self.web.ask("POST", path, body, headers)


def sign_in(web: WebProcess, username: str, password: str) -> Caller:
    """A device's token, got over HTTP with a password."""
    body = {"username": username, "password": password, "device": "Tablet"}
    answer = web.call("POST", "/api/v1/auth/token/", body=body)
    assert answer.status == 201, answer
    return Caller(web, answer.body["token"])


def at_once(calls: Sequence[Any]) -> list[Answer]:
    """Make all calls at the same moment, each from a thread of its own."""
    start = Barrier(len(calls))

    def run(call: Any) -> Answer:
        start.wait(timeout=60)
        answer: Answer = call()
        return answer

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
