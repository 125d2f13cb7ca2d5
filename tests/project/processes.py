"""Looking at this machine's processes, for tests about what is left running."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def command_lines() -> dict[int, str]:
    """Every living process's command line by its id, without zombies and without this one."""
    if sys.platform == "linux":
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text:
                found[int(folder.name)] = text
    else:
        shown = subprocess.run(
            ["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True
        )
        found = {
            int(line.split(None, 1)[0]): line.split(None, 1)[1]
            for line in shown.stdout.splitlines()
        }
    found.pop(os.getpid(), None)
    return found


def mentioning(text: object) -> dict[int, str]:
    """The processes whose command line contains `text`, such as a data folder."""
    return {pid: line for pid, line in command_lines().items() if str(text) in line}


def wait_for(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} seconds: {what}")
        time.sleep(0.05)
