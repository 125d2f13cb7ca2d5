"""Logs name no patient, not even in a traceback."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection
from django.http import HttpResponse
from django.utils.log import log_response

from iop_clinic.accounts.roles import Role
from iop_clinic.logs import PrivateFormatter
from tests import factories
from tests.admin import desk


@pytest.mark.django_db(transaction=True)
def test_a_refused_row_is_not_quoted():
    twice = ["Jane\nRoe"] * 2
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE person (name text UNIQUE)")
        with pytest.raises(IntegrityError) as refused:
            cursor.execute("INSERT INTO person VALUES (%s), (%s)", twice)
    error = (refused.type, refused.value, refused.tb)
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Failed", (), error)

    line = PrivateFormatter().format(record)

    assert "Jane" in str(refused.value)
    assert "person_name_key" in line
    assert "DETAIL: (withheld)" in line
    assert "Roe)" not in line


def test_what_follows_the_detail_stays():
    text = "no\nDETAIL:  Key (name)=(Jane\nRoe) exists.\nCONTEXT:  a trigger\n"
    try:
        raise ValueError(text)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "m", (), sys.exc_info())

    line = PrivateFormatter().format(record)

    assert "Jane" not in line
    assert "CONTEXT:  a trigger" in line


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the site's own handler writes."""
    (console,) = (
        one for one in logging.getLogger().handlers if isinstance(one.formatter, PrivateFormatter)
    )
    assert isinstance(console, logging.StreamHandler)
    lines = io.StringIO()
    before = console.setStream(lines)
    yield lines
    console.setStream(before)


@pytest.mark.django_db
def test_a_page_that_is_refused_is_one_line(written):
    at = desk(factories.ClinicFactory(), Role.FRONT_DESK)
    assert at.client.get("/admin/accounts/membership/").status_code == 403
    (line,) = written.getvalue().splitlines()
    said = "WARNING django.request Forbidden (Permission denied): /admin/accounts/membership/"
    assert line.endswith(said)


def test_a_page_that_fails_keeps_its_traceback(written):
    try:
        raise ValueError("broken")
    except ValueError as error:
        log_response("Failed", response=HttpResponse(status=500), exception=error)
    assert "ValueError: broken" in written.getvalue()
    assert "Traceback" in written.getvalue()
