"""The compose file: the role the web processes use, and that nothing has a password of its own."""

import re
from typing import Any

import psycopg
import pytest
import yaml
from django.db import ProgrammingError, connection, transaction

from iop_clinic import embedded
from iop_clinic.celery import app
from iop_clinic.settings import LIMITS

COMPOSE = embedded.CHECKOUT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())


@pytest.mark.django_db
def test_the_web_role_writes_rows_but_cannot_empty_or_alter_a_table(compose):
    script = re.sub(r"\$\{[^}]*\}", "secret", compose["configs"]["web-role"]["content"])
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE clinic SUPERUSER; SET ROLE clinic")
        cursor.execute(script)
        cursor.execute("CREATE TABLE fact (id bigserial, told text); SET ROLE clinic_web")

        cursor.execute("INSERT INTO fact (told) VALUES ('arrived'); DELETE FROM fact")
        for forbidden in ("TRUNCATE fact", "ALTER TABLE fact DISABLE TRIGGER ALL"):
            with pytest.raises(ProgrammingError) as refused, transaction.atomic():
                cursor.execute(forbidden)
            assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


def test_every_secret_comes_from_the_environment(compose):
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)(.*?)\}", COMPOSE.read_text())

    assert secrets
    assert {name for name, rest in secrets if not rest.startswith(":?")} == set()


def test_every_variable_is_explained_in_the_example():
    used = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    example = (embedded.CHECKOUT / ".env.example").read_text()

    assert {name for name in used if f"\n{name}=" not in example} == set()


def test_every_limit_can_be_set_and_is_explained():
    """With one default in the settings, in the compose file and in the table of the docs."""
    settings = (embedded.CHECKOUT / "iop_clinic" / "settings.py").read_text()
    docs = (embedded.CHECKOUT / "docs" / "operations.md").read_text()
    defaults = dict(re.findall(r'times_in\(\s*"(LIMIT_\w+)", .*?"(\d+/\d+)"\)', settings))

    assert len(defaults) == len(LIMITS)
    assert dict(re.findall(r"\$\{(LIMIT_\w+):-(.*?)\}", COMPOSE.read_text())) == defaults
    assert dict(re.findall(r"^\| `(LIMIT_\w+)` \| `(.*?)`", docs, re.MULTILINE)) == defaults


def test_lasting_services_restart_and_say_how_they_are(compose):
    lasting = {name: one for name, one in compose["services"].items() if name != "migrate"}

    assert {name for name, one in lasting.items() if one["restart"] != "unless-stopped"} == set()
    assert {name for name, one in lasting.items() if "healthcheck" not in one} == set()


def test_what_beat_rings_is_a_task_the_worker_knows():
    app.loader.import_default_modules()

    rung = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert rung - set(app.tasks) == set()
