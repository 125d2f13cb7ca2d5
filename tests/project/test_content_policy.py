"""What a browser may run and load: the site's own files, and no script inside a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from iop_clinic.accounts.middleware import ADMIN_PAGES, PAGES
from tests import factories as f
from tests.admin import desk

pytestmark = pytest.mark.django_db

INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|\son[a-z]+=|javascript:"
)
STYLED = re.compile(r"<style|\sstyle=")


def policy(response: Any) -> str:
    return str(response.headers["Content-Security-Policy"])


@pytest.mark.parametrize("name", ["admin:login", "account-reset", "api:docs"])
def test_a_page_before_the_login_runs_and_loads_its_own_files_alone(client: Any, name: str) -> None:
    page = client.get(reverse(name))
    assert policy(page) == (ADMIN_PAGES if name.startswith("admin:") else PAGES)
    assert not INLINE.search(page.content.decode())
    assert name == "admin:login" or not STYLED.search(page.content.decode())


@pytest.mark.parametrize(
    "name",
    ["index", "attendance_flag_changelist", "patients_patient_add", "accounts_clinic_switch"],
)
def test_no_page_of_the_admin_site_carries_a_script(name: str) -> None:
    page = desk(f.ClinicFactory()).client.get(reverse(f"admin:{name}"))
    assert policy(page) == ADMIN_PAGES
    assert INLINE.findall(page.content.decode()) == []


def test_a_missing_page_and_the_api_have_the_policy_too(client: Any) -> None:
    assert policy(client.get("/nothing-here/")) == PAGES
    assert policy(client.get("/api/v1/me/")) == PAGES
    assert policy(client.get("/admin/nothing-here/")) == ADMIN_PAGES
