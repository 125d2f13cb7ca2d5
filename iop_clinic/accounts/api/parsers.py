"""The one JSON parser: what PostgreSQL or Python would choke on is refused here, with 400.

Seen in Django REST framework without it, each as a 500: NUL and lone surrogates in text, numbers
such as 1e400, brackets nested 100,000 deep.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from iop_clinic.accounts.api.problems import Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1

# A string, which may lack its end, or one bracket; brackets inside strings do not nest. Possessive:
# a string once read is never read again in another way, or each quote would cost the whole rest.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """Reads a JSON object of at most 1 MB and 32 levels; anything else is a problem document."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            raw = stream.read(MAX_BYTES + 1)
        except UnreadablePostError as error:  # the client is gone: no fault of ours for the log
            raise ParseError("The body did not arrive whole.") from error
        if len(raw) > MAX_BYTES:
            raise Problem(413, "too_large", f"A request body has at most {MAX_BYTES} bytes.")
        return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises ParseError for all else."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    _check_depth(text)
    try:
        body = json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise ParseError("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise ParseError("The body must be a JSON object.")
    _check_text(body, [])
    return body


def _check_depth(text: str) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"The body is nested more than {MAX_DEPTH} levels deep.")
        elif token[0] in "]}":
            depth -= 1


def _integer(digits: str) -> int:
    # Python refuses to read more than 4300 digits; a bigint holds 19.
    if len(digits) > 20 or abs(int(digits)) > MAX_INTEGER:
        raise ParseError("A number in the body is too large.")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ParseError("A number in the body is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParseError("A field is given twice in one object.")
    return found


def _check_text(value: Any, loc: list[str | int]) -> None:
    """Refuse NUL and lone surrogates, which no PostgreSQL text can hold, wherever they stand."""
    if isinstance(value, str):
        if _NOT_TEXT.search(value):
            message = "The text holds a character that cannot be stored (NUL or half a pair)."
            raise Problem.at(loc, "invalid_text", message)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key, loc)
            _check_text(inner, [*loc, key])
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_text(inner, [*loc, index])
