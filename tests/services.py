"""PostgreSQL and Redis for one test run: those of the environment, or embedded ones.

Runs that take place at the same time never share anything they could break. Each embedded pair
of servers belongs to one run (`.local/test`, `.local/test-1` ...); on servers named by the
environment each run takes a test database of its own.
"""

import atexit
from collections.abc import MutableMapping
from urllib.parse import quote

import psycopg

from iop_clinic import embedded

MOST_RUNS = 16
PROVIDED = "IOP_TEST_PROVIDED"
"""Names the variables that a run set itself, for the processes that it starts to run tests in."""

ADDRESSES = {"DATABASE_URL", "REDIS_URL", "IOP_TEST_DB"}

own: list[embedded.Servers] = []
"""The servers that this run started and may restart; empty when the environment names others."""


def provide(environ: MutableMapping[str, str]) -> None:
    """Point `DATABASE_URL` and `REDIS_URL` at servers that this run may use until it ends.

    A process of pytest-xdist takes servers of its own, so that a queue or a restart is nobody
    else's.
    """
    environ["IOP_MODE"] = "test"
    if "PYTEST_XDIST_WORKER" in environ:
        for name in environ.pop(PROVIDED, "").split():
            del environ[name]
    given = set(environ)
    environ.setdefault("SECRET_KEY", "only-for-tests")
    if not (environ.get("DATABASE_URL") and environ.get("REDIS_URL")):
        _start_embedded(environ)
    if not environ.get("IOP_TEST_DB"):
        environ["IOP_TEST_DB"] = _free_database(environ["DATABASE_URL"])
    environ[PROVIDED] = " ".join(ADDRESSES - given)


def _start_embedded(environ: MutableMapping[str, str]) -> None:
    for name in [name for name in environ if name.startswith("PG")]:
        del environ[name]  # PGPORT and the like would lead past the embedded server
    servers = _first_free_servers()
    own.append(servers)
    atexit.register(servers.stop)
    mode = servers.home.mode
    environ["DATABASE_URL"] = environ.get("DATABASE_URL") or embedded.url("postgres", mode)
    environ["REDIS_URL"] = environ.get("REDIS_URL") or embedded.url("redis", mode)


def _first_free_servers() -> embedded.Servers:
    for number in range(MOST_RUNS):
        mode = f"test-{number}" if number else "test"
        try:
            return embedded.start(mode)
        except embedded.AlreadyRunningError:
            continue
    raise RuntimeError(f"{MOST_RUNS} test runs take place already.")


def _free_database(url: str) -> str:
    """The name of a test database that no other run uses, held by a lock until this run ends."""
    connection = psycopg.connect(_conninfo(url), autocommit=True)
    atexit.register(connection.close)
    for number in range(MOST_RUNS):
        name = f"test_iop_{number}" if number else "test_iop"
        row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
        if row and row[0]:
            return name
    raise RuntimeError(f"{MOST_RUNS} test runs take place already.")


def _conninfo(url: str) -> str:
    """A libpq address of the same server, which spells socket folders in another way."""
    user, marker, folder = url.partition("@//")
    if not marker:
        return url
    path, _, database = folder.rpartition("/")
    return f"{user}@/{database}?host={quote('/' + path, safe='')}"


def database_url(settings: dict[str, object]) -> str:
    """The `DATABASE_URL` of a Django connection, for processes that a test starts."""
    host, port, name = settings["HOST"], settings["PORT"], settings["NAME"]
    user = quote(str(settings["USER"]), safe="")
    if settings["PASSWORD"]:
        user += ":" + quote(str(settings["PASSWORD"]), safe="")
    if str(host).startswith("/"):
        return f"postgres://{user}@/{host}/{name}"
    return f"postgres://{user}@{host}{f':{port}' if port else ''}/{name}"
