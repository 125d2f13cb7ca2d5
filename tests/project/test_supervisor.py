"""The demo's tree of processes: it starts whole, heals, and however it ends nothing is left.

The supervisor runs in a stand-in checkout with the product's own launcher, supervisor, mailbox
and real servers, but with small programs in place of the web server, worker and commands: what
is tested is the tree, in seconds. `make demo` itself is tried by a soak test.
"""

import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iop_clinic import embedded
from tests.project.processes import mentioning, wait_for

COPIED = ("embedded.py", "supervisor.py", "mailsink.py")
FILES = {
    "iop_clinic/__init__.py": "",
    "celery/__init__.py": "",
    "celery/__main__.py": "import time\ntime.sleep(600)\n",
    "gunicorn/__init__.py": "",
    "gunicorn/__main__.py": """
import http.server, sys
address = sys.argv[sys.argv.index("--bind") + 1].split(":")
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer((address[0], int(address[1])), handler).serve_forever()
""",
    "manage.py": """
import os, pathlib, sys
name = sys.argv[1]
with open("commands.log", "a") as log:
    print(name, os.environ["IOP_MODE"], os.environ.get("DATABASE_URL"), file=log)
script = pathlib.Path(f"{name}.script")
if script.exists():
    exec(script.read_text())
""",
}


@dataclass
class Clinic:
    """A stand-in checkout and the demo that runs in it."""

    folder: Path
    port: int
    environ: dict[str, str]
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def ready_file(self) -> Path:
        return self.folder / ".local" / "demo" / "ready"

    def start(self, *, port: int | None = None, **options: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "iop_clinic.supervisor", "run"]
        demo = subprocess.Popen(
            [*command, "--port", str(port or self.port)],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        self.started.append(demo)
        return demo

    def start_and_wait(self, **options: Any) -> "subprocess.Popen[str]":
        self.ready_file.unlink(missing_ok=True)  # a killed demo could not remove it
        demo = self.start(**options)
        wait_for(lambda: self.ready_file.exists() or demo.poll() is not None, "ready")
        assert demo.poll() is None, demo.communicate()[0]
        return demo

    def running(self, text: str = "") -> dict[int, str]:
        """The processes of this demo: servers by their folder, the others by their working one."""
        found = mentioning(self.folder)
        for pid, line in mentioning(sys.executable).items():
            try:
                if Path(f"/proc/{pid}/cwd").resolve() == self.folder:
                    found[pid] = line
            except OSError:
                continue
        return {pid: line for pid, line in found.items() if text in line}

    def postmasters(self) -> dict[int, str]:
        return self.running(f"-D {self.folder}/.local/demo/postgres")

    def database(self) -> "psycopg.Connection[tuple[object, ...]]":
        sockets = self.folder / ".local" / "demo" / "run"
        return psycopg.connect(host=str(sockets), port=5432, user="postgres", dbname="iop_clinic")

    def script(self, command: str, code: str) -> None:
        """What the stand-in for `manage.py <command>` does."""
        (self.folder / f"{command}.script").write_text(code)

    def reset(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "iop_clinic.supervisor", "reset"],
            cwd=self.folder,
            env=self.environ,
            check=True,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def new_data() -> Iterator[Path]:
    """The data of a demo that was started once: copying it is quicker than making it."""
    folder = Path(tempfile.mkdtemp(prefix="iop-demo-", dir="/var/tmp"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IOP_LOCAL_DIR", str(folder))
        embedded.start("demo").stop()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def clinic(new_data: Path) -> Iterator[Clinic]:
    folder = Path(tempfile.mkdtemp(prefix="iop-demo-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    for name in COPIED:
        shutil.copy(embedded.CHECKOUT / "iop_clinic" / name, folder / "iop_clinic")
    subprocess.run(["cp", "-a", new_data, folder / ".local"], check=True)
    left_out = ("IOP_LOCAL_DIR", "MAKELEVEL")
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    clinic = Clinic(folder, free_port(), environ)
    yield clinic
    clinic.reset()
    for demo in clinic.started:
        demo.kill()
        demo.communicate()
    shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(demo: "subprocess.Popen[str]", sig: signal.Signals = signal.SIGINT) -> str:
    demo.send_signal(sig)
    said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 0, said
    return said


def test_the_demo_starts_in_order_and_says_how_to_use_it(clinic):
    demo = clinic.start_and_wait()

    with urllib.request.urlopen(f"http://127.0.0.1:{clinic.port}/", timeout=5) as page:
        assert page.status == 200
    said = stop(demo)

    commands = (clinic.folder / "commands.log").read_text().splitlines()
    # The servers of the caller's shell are none of the demo's business.
    assert commands == [
        "migrate demo None",
        "load_demo demo None",
        "collectstatic demo None",
        "run_nightly demo None",
    ]
    assert f"http://localhost:{clinic.port}/admin/" in said
    assert "coordinator@example.com" in said
    assert "demo-clinic" in said
    assert ".local/mail" in said


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGHUP])
def test_a_stop_leaves_no_process_even_when_signals_were_ignored(clinic, sig):
    """A shell starts background jobs with SIGINT ignored."""

    def ignore_sigint() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup

    demo = clinic.start_and_wait(preexec_fn=ignore_sigint)

    stop(demo, sig)

    assert clinic.running() == {}
    assert not clinic.ready_file.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_sudden_death_leaves_no_process_and_keeps_the_data(clinic):
    first = clinic.start_and_wait()
    with clinic.database() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    first.kill()
    first.wait()
    wait_for(lambda: not clinic.running(), "every process is gone")
    clinic.start_and_wait()

    assert len(clinic.postmasters()) == 1
    with clinic.database() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_started_twice_the_second_explains_and_the_first_goes_on(clinic):
    first = clinic.start_and_wait()

    second = clinic.start(port=free_port())
    said, _ = second.communicate(timeout=20)

    assert second.returncode == 1
    assert f"runs already (process {first.pid})" in said
    assert clinic.ready_file.exists()
    assert first.poll() is None


def test_a_dead_child_is_started_again(clinic):
    clinic.start_and_wait()
    (beat,) = clinic.running("celery -A iop_clinic beat")
    (postmaster,) = clinic.postmasters()

    os.kill(beat, signal.SIGKILL)
    os.kill(postmaster, signal.SIGKILL)

    wait_for(lambda: set(clinic.running("iop_clinic beat")) - {beat}, "beat runs again")
    wait_for(lambda: set(clinic.postmasters()) - {postmaster}, "PostgreSQL runs again")
    wait_for(lambda: database_answers(clinic), "the database answers again")


def database_answers(clinic: Clinic) -> bool:
    try:
        with clinic.database() as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_child_that_never_stays_alive_ends_the_demo_with_its_last_words(clinic):
    (clinic.folder / "celery" / "__main__.py").write_text("raise SystemExit('no broker today')")

    said, _ = clinic.start().communicate(timeout=30)

    assert clinic.started[0].returncode == 1
    assert "died 3 times" in said
    assert "no broker today" in said
    assert clinic.running() == {}


def test_a_failing_step_ends_the_demo_with_its_last_words(clinic):
    clinic.script("load_demo", "raise SystemExit('42 of 43 patients')")

    said, _ = clinic.start().communicate(timeout=30)

    assert clinic.started[0].returncode == 1
    assert "`manage.py load_demo` failed" in said
    assert "42 of 43 patients" in said
    assert clinic.running() == {}
    assert not clinic.ready_file.exists()


def test_a_stop_during_a_long_step_is_obeyed(clinic):
    clinic.script("load_demo", "import time; time.sleep(600)")
    demo = clinic.start()
    wait_for(lambda: clinic.running("manage.py load_demo"), "the step runs")

    stop(demo)

    assert clinic.running() == {}


def test_a_taken_port_is_named_with_the_way_out(clinic):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", clinic.port))
        taken.listen()
        said, _ = clinic.start().communicate(timeout=30)

    assert clinic.started[0].returncode == 1
    assert f"make demo PORT={clinic.port + 1}" in said
    assert clinic.running() == {}


def test_mail_lands_in_the_folder(clinic):
    clinic.script(
        "run_nightly",
        "import smtplib\n"
        "from urllib.parse import urlsplit\n"
        "sink = urlsplit(os.environ['EMAIL_URL'])\n"
        "with smtplib.SMTP(sink.hostname, sink.port) as client:\n"
        "    client.sendmail('a@example.com', ['b@example.com'], 'Subject: Night\\n\\nHi')\n",
    )
    clinic.start_and_wait()

    (mail,) = (clinic.folder / ".local" / "mail").glob("*.eml")

    assert mail.read_bytes() == b"Subject: Night\r\n\r\nHi\r\n"


def test_reset_stops_a_running_demo_and_removes_its_data(clinic):
    demo = clinic.start_and_wait()

    clinic.reset()

    assert demo.wait(10) == 0
    assert clinic.running() == {}
    assert not (clinic.folder / ".local" / "demo").exists()
    assert not (clinic.folder / ".local" / "mail").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_killed_make_takes_the_demo_along(clinic):
    (clinic.folder / "Makefile").write_text(
        f"demo:\n\t@exec {sys.executable} -m iop_clinic.supervisor run --port {clinic.port}\n"
    )
    make = subprocess.Popen(
        ["make", "demo"], cwd=clinic.folder, env=clinic.environ, stdout=subprocess.DEVNULL
    )
    wait_for(clinic.ready_file.exists, "ready")

    make.kill()
    make.wait()

    wait_for(lambda: not clinic.running(), "every process is gone")


def test_the_sink_refuses_nothing_and_writes_whole_files(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "iop_clinic.mailsink", "--port", str(port)]
    sink = subprocess.Popen([*command, "--folder", str(tmp_path)], cwd=embedded.CHECKOUT)
    try:
        wait_for(lambda: listens(port), "it listens")
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("a@example.com", ["b@example.com"], b"Subject: 1\r\n\r\n")
            client.sendmail("a@example.com", ["b@example.com"], b"Subject: 2\r\n\r\n")
    finally:
        sink.terminate()
        assert sink.wait(5) == 0

    names = sorted(file.name for file in tmp_path.iterdir())
    assert [(tmp_path / name).read_bytes()[:10] for name in names] == [b"Subject: 1", b"Subject: 2"]
