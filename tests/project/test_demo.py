"""`make demo` as a visitor meets it: the whole product, from an empty folder to a stopped one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from iop_clinic import embedded
from tests.project.processes import mentioning, wait_for
from tests.project.test_supervisor import free_port, listens

pytestmark = pytest.mark.soak
START_SECONDS = 300


@pytest.fixture
def local_dir(monkeypatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="iop-demo-", dir="/var/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("IOP_LOCAL_DIR", str(folder))
    yield folder
    embedded.wipe("demo")
    shutil.rmtree(folder)


def run_demo(port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "iop_clinic.supervisor", "run", "--port", str(port)],
        cwd=embedded.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as page:
            return bool(json.load(page)["status"] == "ready")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.parametrize("stop_with", [signal.SIGINT, signal.SIGKILL])
def test_the_demo_from_nothing_and_again(local_dir, stop_with):
    """The second start finds the first one's data, and sends no mail twice."""
    port = free_port()
    counts = []
    for sig in (stop_with, signal.SIGTERM):
        demo = run_demo(port)
        wait_for(lambda: demo.poll() is not None or ready(port), "ready", START_SECONDS)  # noqa: B023
        assert demo.poll() is None, demo.communicate()[0]
        counts.append(len(list((local_dir / "mail").glob("*.eml"))))
        os.kill(demo.pid, sig)
        demo.communicate(timeout=60)
        wait_for(lambda: not mentioning(local_dir) and not listens(port), "nothing is left")

    assert counts[0] > 0
    assert counts[0] == counts[1]
