"""Health addresses and the demo's mailbox."""

import pytest
from django.test import Client

MAIL = (
    b"Subject: Nightly report\r\nTo: coordinator@example.com\r\nFrom: clinic@example.com\r\n"
    b"Date: Mon, 02 Mar 2026 05:00:00 -0600\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nthree people <need> a call\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>three people</p><script>x()</script>\r\n--b--\r\n"
)


@pytest.fixture
def mail_dir(settings, tmp_path):
    settings.MAIL_DIR = tmp_path
    (tmp_path / "20260302-1.eml").write_bytes(MAIL)
    (tmp_path / ".unfinished.eml").write_bytes(MAIL)
    return tmp_path


def test_healthz_needs_no_database():
    response = Client().get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_is_200_when_database_and_broker_answer():
    response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": True, "broker": True}}


@pytest.mark.django_db
def test_readyz_is_503_without_a_broker(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens.sock"

    response = Client().get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database": True, "broker": False}


@pytest.mark.django_db
def test_readyz_of_the_demo_waits_for_the_supervisor(settings, tmp_path):
    settings.MODE = "demo"
    settings.DEMO_READY_FILE = tmp_path / "ready"
    assert Client().get("/readyz").status_code == 503

    settings.DEMO_READY_FILE.touch()

    assert Client().get("/readyz").status_code == 200


def test_health_addresses_are_not_redirected_to_https(settings):
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get("/healthz").status_code == 200
    assert Client().get("/admin/").status_code == 301


def test_the_mailbox_is_closed_outside_the_demo():
    assert Client().get("/mail/").status_code == 404


@pytest.mark.urls("iop_clinic.mailbox")
def test_the_mailbox_lists_finished_mails(mail_dir):
    page = Client().get("/mail/").content.decode()

    assert page.count("Nightly report") == 1
    assert "coordinator@example.com" in page


@pytest.mark.urls("iop_clinic.mailbox")
def test_a_mail_is_shown_as_text_and_in_a_frame_without_scripts(mail_dir):
    page = Client().get("/mail/20260302-1.eml/")
    html = Client().get("/mail/20260302-1.eml/html/")

    assert "three people &lt;need&gt; a call" in page.content.decode()
    assert "<p>three people</p>" in html.content.decode()
    assert "default-src 'none'" in html["Content-Security-Policy"]
    assert "allow-scripts" not in html["Content-Security-Policy"]
    assert html["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.urls("iop_clinic.mailbox")
@pytest.mark.parametrize("name", ["absent.eml", "..%2Fsecret.eml", "secret.txt", ".unfinished.eml"])
def test_no_other_file_can_be_reached(mail_dir, name):
    (mail_dir.parent / "secret.eml").write_bytes(MAIL)
    (mail_dir / "secret.txt").write_bytes(MAIL)

    assert Client().get(f"/mail/{name}/").status_code == 404


@pytest.mark.django_db
def test_the_bare_address_leads_to_the_admin_site(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
