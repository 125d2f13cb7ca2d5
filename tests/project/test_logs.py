"""Logs name no patient, not even in a traceback."""

import logging
import sys

import pytest
from django.db import IntegrityError, connection

from iop_clinic.logs import PrivateFormatter


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
