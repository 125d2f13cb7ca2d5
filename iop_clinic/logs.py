"""Log lines without identities."""

import logging
import re

# PostgreSQL's DETAIL quotes the values of the row it refused: names, dates of birth, reasons.
DETAIL = re.compile(r"DETAIL:.*?(?=\n(?:HINT|CONTEXT|QUERY|LINE)\b|\n\n|\n  File |\Z)", re.DOTALL)


class PrivateFormatter(logging.Formatter):
    """Withholds what the database quotes of a row; the constraint's name stays."""

    def format(self, record: logging.LogRecord) -> str:
        return DETAIL.sub("DETAIL: (withheld)", super().format(record))
