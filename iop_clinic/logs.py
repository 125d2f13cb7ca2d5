"""Log lines without identities and without secrets."""

import logging
import re

# PostgreSQL's DETAIL quotes the values of the row it refused: names, dates of birth, reasons.
DETAIL = re.compile(r"DETAIL:.*?(?=\n(?:HINT|CONTEXT|QUERY|LINE)\b|\n\n|\n  File |\Z)", re.DOTALL)
# Addresses that open something without a login: a calendar, a page to set a password.
SECRET = re.compile(r"(?<=/calendar/)[^\s\"'<>]+|(?<=/set-password/)[^\s\"'<>]+")


def without_secrets(text: str) -> str:
    return SECRET.sub("(withheld)", text)


class PrivateFormatter(logging.Formatter):
    """Withholds what the database quotes of a row (the constraint's name stays), and secrets.

    A request that was refused (4xx) is one line: its traceback shows no error of this program.
    """

    def format(self, record: logging.LogRecord) -> str:
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.exc_info = record.exc_text = None
        return without_secrets(DETAIL.sub("DETAIL: (withheld)", super().format(record)))


class WithoutSecrets(logging.Filter):
    """For loggers with handlers of their own, such as the web server's: it writes paths too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True
