"""From a clone to the first page: what somebody waits who tries `make demo` for the first time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST = 600  # seconds


def run() -> list[str]:
    """Clone, `make demo`, and wait for `/readyz`; the package cache of the machine may be warm."""
    folder = Path(tempfile.mkdtemp(prefix="first-page-"))
    folder.chmod(0o755)
    try:
        started = time.perf_counter()
        subprocess.run(
            ["git", "clone", "--quiet", str(CHECKOUT), str(folder / "clinic")], check=True
        )
        ready = _demo(folder / "clinic", started)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [f"{'clone to a ready demo':<26} {ready:7.1f} s"]


def _demo(clone: Path, started: float) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("IOP_", "DJANGO_"))}
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
        environment.pop(name, None)
    demo = subprocess.Popen(
        ["make", "demo", f"PORT={port}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/readyz", demo)
        return time.perf_counter() - started
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(60)


def _wait(url: str, demo: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if demo.poll() is not None:
            raise RuntimeError(f"make demo ended with {demo.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The demo was not ready after {LONGEST} seconds.")
