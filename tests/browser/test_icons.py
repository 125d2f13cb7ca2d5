"""Every icon that a page may show is in the font, which holds no others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import unfold
from django.conf import settings
from playwright.sync_api import sync_playwright

from attendance.admin.week_calendar.entries import State
from iop_clinic.dashboard import MENU
from tests.browser.site import CHROMIUM, chromium
from tests.fonts import icon_names

UNFOLD = Path(unfold.__file__).parent
SPAN = re.compile(r"material-symbols-outlined[^>]*>\s*([a-z_0-9]+)\s*<")
NAMED = re.compile(r"""["']icon["']: ["']([a-z_0-9]+)["']""")
DRAWN = re.compile(r'content:"([a-z_]+)"')
NOT_ICONS = {"format_align_left", "format_align_right", "handyman", "toolbar", "transform"}
"""Of Unfold's editor of rich text, which no form has."""
WIDTHS = """async names => {
    await document.fonts.load("18px 'Material Symbols Outlined'");
    return names.filter(name => {
        const icon = document.createElement("span");
        icon.className = "material-symbols-outlined";
        icon.textContent = name;
        document.body.append(icon);
        return icon.getBoundingClientRect().width !== 18;
    });
}"""


def used() -> Iterator[str]:
    """Of Unfold's templates and styles, of the product's, and of its menus."""
    own = [
        path
        for app in ("iop_clinic", "patients", "scheduling", "attendance")
        for path in (settings.BASE_DIR / app).rglob("*")
        if path.suffix in (".html", ".py")
    ]
    for path in (*(UNFOLD / "templates").rglob("*.html"), *own):
        text = path.read_text()
        yield from (*SPAN.findall(text), *NAMED.findall(text))
    yield from DRAWN.findall((UNFOLD / "static/unfold/css/styles.css").read_text())
    yield from (icon for _, items in MENU for _, icon, _, _ in items)
    yield from (state.icon for state in State)
    yield str(settings.UNFOLD["SITE_SYMBOL"])


def test_every_icon_in_use_is_kept() -> None:
    assert set(used()) - NOT_ICONS - set(icon_names()) == set()


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium found")
@pytest.mark.django_db(transaction=True)
def test_the_font_draws_each_as_one_square(live_server: Any) -> None:
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page()
        page.goto(f"{live_server.url}/admin/login/")
        assert page.evaluate(WIDTHS, icon_names()) == []
