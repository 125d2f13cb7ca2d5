"""How much a first visit transfers: nothing cached, files compressed as a server sends them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.site import chromium
from tests.web import WebProcess

MOST = 500_000
"""Bytes of the sign-in and the page behind it."""
PAGES = {"morning page": "/admin/", "roster": "/roster/"}


def first_visits(email: str, password: str) -> dict[str, int]:
    """Bytes, headers included, until each of the pages is shown to somebody who has never come."""
    with (
        tempfile.TemporaryDirectory(prefix="static-") as folder,
        _served(folder) as address,
        sync_playwright() as playwright,
        chromium(playwright) as browser,
    ):
        return {
            name: _bytes(browser, address, path, email, password) for name, path in PAGES.items()
        }


@contextmanager
def _served(folder: str) -> Iterator[str]:
    """A web server with collected files: the mode of the tests would serve them as they are."""
    served: dict[str, Any] = {"IOP_MODE": "demo", "STATIC_ROOT": folder}
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(collect, env={**os.environ, **served}, check=True)
    web = WebProcess(workers=1, **served)
    try:
        yield f"http://127.0.0.1:{web.port}"
    finally:
        web.stop()


def _bytes(browser: Any, address: str, path: str, email: str, password: str) -> int:
    page = browser.new_context().new_page()
    sizes: list[int] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda one: sizes.append(int(one["encodedDataLength"])))
    page.goto(address + path, wait_until="networkidle")
    page.fill("[name=username]", email)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(address + path)
    page.wait_for_load_state("networkidle")
    page.context.close()
    return sum(sizes)
