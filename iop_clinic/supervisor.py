"""`make demo`: the whole clinic as one tree of processes that lives and dies together.

    python -m iop_clinic.supervisor run --port 8000
    python -m iop_clinic.supervisor reset

It starts the embedded servers, migrates, loads the demo clinic, starts the web server, worker,
beat and mailbox, has the worker run last night, and then keeps all of them running. Any way it
ends takes them along: Ctrl-C and SIGTERM in order, SIGKILL through the kernel (see
`embedded.die_with_parent`).
"""

import argparse
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from iop_clinic import embedded

MODE = "demo"
QUICK_SECONDS = 10  # a child that dies sooner than this after its start died "quickly"
QUICK_DEATHS = 3
STOP_SECONDS = 10
STEP_SECONDS = 900
PASSWORD = "demo-clinic"  # noqa: S105  published in the README
LOGINS = {
    "coordinator@example.com": "coordinator: who needs attention this week",
    "therapist@example.com": "leads group A",
    "therapist2@example.com": "another therapist",
    "frontdesk@example.com": "front desk: arrivals and calls",
    "reviewer@example.com": "utilization review",
    "admin@example.com": "administrator of the clinic",
    "outsider@example.com": "coordinator of another clinic; sees nothing of this one",
}


class DemoError(RuntimeError):
    """The demo cannot go on; the message is for the person at the terminal."""


class StopRequestedError(Exception):
    """Somebody asked the demo to stop while it was still starting."""


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    started: float
    quick_deaths: int = 0

    def died(self) -> bool:
        return self.process.poll() is not None

    def restart(self) -> None:
        """Start it again; give up when it does not stay alive."""
        quick = time.monotonic() - self.started < QUICK_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths >= QUICK_DEATHS:
            raise DemoError(f"{self.name} died {QUICK_DEATHS} times in a row.")
        self.process = self.launch()
        self.started = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m iop_clinic.supervisor")
    parser.add_argument("action", choices=["run", "reset"])
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    try:
        if options.action == "reset":
            reset()
            return 0
        return Demo(port=options.port).run()
    except (DemoError, embedded.EmbeddedError) as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1


def reset() -> None:
    """Stop the demo and remove everything it wrote."""
    embedded.wipe(MODE)
    shutil.rmtree(embedded.local_dir() / MODE, ignore_errors=True)
    shutil.rmtree(embedded.local_dir() / "mail", ignore_errors=True)
    print("The demo is stopped and its data removed. `make demo` starts a new one.")


@dataclass
class Demo:
    """One run of the demo."""

    port: int
    mail_port: int = 0
    stopping: bool = False
    servers: embedded.Servers | None = None
    children: list[Child] = field(default_factory=list)
    step: subprocess.Popen[bytes] | None = None

    # --- the course of a run -----------------------------------------------------------------

    def run(self) -> int:
        """Start everything, keep it running, stop everything. Returns the exit status."""
        self._obey_signals()
        began = time.monotonic()
        try:
            self._start_servers()
            self._prepare()
            self._start_processes()
            self._manage("last night, run by the worker", "run_nightly", "--wait")
            self._ready_file.touch()
            _say(self._welcome(time.monotonic() - began))
            self._watch()
        except StopRequestedError:
            pass
        finally:
            self._stop()
        _say("Stopped. Nothing is left running; the data is kept for the next `make demo`.")
        return 0

    def _obey_signals(self) -> None:
        """Handle them whatever was inherited: a job started with `&` ignores SIGINT."""

        def stop_soon(_signal: int, _frame: object) -> None:
            self.stopping = True

        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, stop_soon)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # `nohup make demo` stays
            signal.signal(signal.SIGHUP, stop_soon)
        if os.environ.get("MAKELEVEL"):
            embedded.stop_with_parent(signal.SIGTERM)  # a killed `make` takes the demo along

    def _start_servers(self) -> None:
        """Start PostgreSQL and Valkey, which also tells whether a demo runs already."""
        _say("IOP Clinic demo")
        with Announcement("database and broker"):
            try:
                self.servers = embedded.start(MODE)
            except embedded.AlreadyRunningError as running:
                raise DemoError(
                    f"The demo runs already (process {running.pid}). Stop it with Ctrl-C in its "
                    "terminal, or with `make demo-reset`, which also removes its data."
                ) from None
            self._ready_file.unlink(missing_ok=True)
            _require_free_port(self.port)
        for name, process in self.servers.processes.items():
            launch = functools.partial(self.servers.launch, name)
            self._adopt(name, launch, process)

    def _prepare(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        self.mail_port = _free_port()
        self._manage("tables", "migrate", "--no-input")
        self._manage("demo clinic", "load_demo")
        self._manage("static files", "collectstatic", "--no-input", "--verbosity", "0")

    def _start_processes(self) -> None:
        with Announcement("mailbox, worker, clock, web server"):
            for name, command in self._commands().items():
                self._adopt(name, self._launcher(name, command))
            self._wait_until(lambda: _listens(self.mail_port), "The mailbox does not answer.")
            self._wait_until(lambda: _listens(self.port), "The web server does not answer.")

    def _watch(self) -> None:
        while True:
            self._look_after_children()
            time.sleep(0.2)

    # --- processes ---------------------------------------------------------------------------

    def _commands(self) -> dict[str, list[str]]:
        python, folder = sys.executable, str(embedded.local_dir() / "mail")
        celery = [python, "-m", "celery", "-A", "iop_clinic"]
        mailsink = [python, "-m", "iop_clinic.mailsink"]
        worker = "--concurrency 2 --hostname demo@localhost --without-mingle --without-gossip"
        bind = f"127.0.0.1:{self.port}"
        web = "--no-control-socket --worker-class gthread --workers 2 --threads 4"
        return {
            "mailbox": [*mailsink, "--port", str(self.mail_port), "--folder", folder],
            "worker": [*celery, "worker", *worker.split(), "--loglevel", "INFO"],
            "beat": [*celery, "beat", "--loglevel", "INFO"],
            "web": [python, "-m", "gunicorn", *web.split(), "--bind", bind, "iop_clinic.wsgi"],
        }

    def _environment(self, name: str) -> dict[str, str]:
        """The demo's own addresses: whatever servers the caller's shell names stay untouched."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("PG") and key not in ("DATABASE_URL", "REDIS_URL")
        }
        return environment | {
            "IOP_MODE": MODE,
            "DJANGO_SETTINGS_MODULE": "iop_clinic.settings",
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "BASE_URL": f"http://localhost:{self.port}",
            "CONN_MAX_AGE": "60" if name == "web" else "0",
            "PYTHONUNBUFFERED": "1",
        }

    def _spawn(self, name: str, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=embedded.CHECKOUT,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops them
                preexec_fn=embedded.die_with_parent(signal.SIGKILL),
            )

    def _launcher(self, name: str, command: list[str]) -> Callable[[], subprocess.Popen[bytes]]:
        log = self._logs / f"{name}.log"
        log.unlink(missing_ok=True)
        return lambda: self._spawn(name, command, log)

    def _adopt(
        self,
        name: str,
        launch: Callable[[], subprocess.Popen[bytes]],
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.children.append(Child(name, launch, process or launch(), time.monotonic()))

    def _look_after_children(self) -> None:
        """Restart what died; leave by an exception when asked to stop."""
        if self.stopping:
            raise StopRequestedError
        for child in self.children:
            if child.died():
                _say(f"{child.name} ended ({child.process.returncode}); starting it again.")
                try:
                    child.restart()
                except DemoError as error:
                    raise DemoError(f"{error}\n{self._end_of_log(child.name)}") from None

    def _wait_until(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + embedded.START_SECONDS
        while not condition():
            self._look_after_children()
            if time.monotonic() > deadline:
                raise DemoError(complaint)
            time.sleep(0.05)

    def _stop(self) -> None:
        """Stop the processes, then the servers they use. Further signals change nothing."""
        if self.servers:  # else the file may be that of the demo which runs already
            self._ready_file.unlink(missing_ok=True)
        own = [child.process for child in self.children if child.name not in embedded.LAUNCH]
        for process in filter(None, [self.step, *own]):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in filter(None, [self.step, *own]):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill_group(process.pid)
                process.wait()
        if self.servers:
            self.servers.stop()

    # --- steps -------------------------------------------------------------------------------

    def _manage(self, title: str, *arguments: str) -> None:
        """Run a management command to its end; on failure show the end of what it said."""
        command = [sys.executable, "manage.py", *arguments]
        log = self._logs / f"{arguments[0]}.log"
        log.unlink(missing_ok=True)
        with Announcement(title):
            self.step = self._spawn(arguments[0], command, log)
            deadline = time.monotonic() + STEP_SECONDS
            while self.step.poll() is None:
                self._look_after_children()
                if time.monotonic() > deadline:
                    raise DemoError(f"{arguments[0]} takes longer than {STEP_SECONDS} seconds.")
                time.sleep(0.05)
            if self.step.returncode != 0:
                raise DemoError(f"`manage.py {arguments[0]}` failed:\n{_tail(log)}")
            self.step = None

    # --- places and words --------------------------------------------------------------------

    @property
    def _ready_file(self) -> Path:
        return embedded.local_dir() / MODE / "ready"

    @property
    def _logs(self) -> Path:
        return embedded.local_dir() / MODE / "logs"

    def _end_of_log(self, name: str) -> str:
        if name in embedded.LAUNCH:
            return _tail(embedded.Home(MODE).log(name))
        return _tail(self._logs / f"{name}.log")

    def _welcome(self, seconds: float) -> str:
        address = f"http://localhost:{self.port}"
        logins = "\n".join(f"    {email:<26} {what}" for email, what in LOGINS.items())
        return (
            f"\nReady after {seconds:.0f} s:  {address}/admin/\n\n"
            f"  Log in with the password {PASSWORD} as\n{logins}\n\n"
            f"  Mail    {address}/mail/   ({_short(embedded.local_dir() / 'mail')})\n"
            f"  API     {address}/api/v1/docs/\n"
            f"  Logs    {_short(self._logs)}\n\n"
            "Ctrl-C stops everything. `make demo-reset` starts over.\n"
        )


def _say(text: str, end: str = "\n") -> None:
    """Print at once; a closed terminal is no reason to stop."""
    with contextlib.suppress(OSError):
        print(text, end=end, flush=True)


class Announcement:
    """`title ........ 1.2 s`, printed whole when the step is done; at once on a terminal."""

    def __init__(self, title: str) -> None:
        self.line = f"  {title} ".ljust(40, ".")

    def __enter__(self) -> None:
        self.began = time.monotonic()
        if sys.stdout.isatty():
            _say(self.line, end=" ")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        start = "" if sys.stdout.isatty() else f"{self.line} "
        seconds = f"{time.monotonic() - self.began:.1f} s"
        stopped = "stopped" if kind is StopRequestedError else "failed"
        outcome = stopped if kind else seconds
        _say(f"{start}{outcome}")


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} cannot be used ({error.strerror}). Try `make demo PORT={port + 1}`."
            ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _kill_group(leader: int) -> None:
    """End a process that does not stop, together with its own children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _tail(log: Path, lines: int = 25) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


if __name__ == "__main__":
    sys.exit(main())
