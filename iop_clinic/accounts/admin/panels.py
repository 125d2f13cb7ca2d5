"""Tables under a form: what hangs on a row, with a link to each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html

Cell = Any


@dataclass(frozen=True)
class Panel:
    """A titled table. `note` is the sentence under the title; `empty` is said without rows.

    A `folded` one shows its title until somebody opens it. A page may show something else than a
    table: a subclass with a `template` of its own. One that `leads` stands above the verbs.
    """

    template: ClassVar[str] = "admin/panel.html"
    leads: ClassVar[bool] = False
    title: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    empty: str = "None yet."
    note: str = ""
    folded: bool = False

    @property
    def lines(self) -> list[list[tuple[str, Cell]]]:
        """Each row as (header, cell): on a phone every cell names its own."""
        return [list(zip_longest(self.headers, row, fillvalue="")) for row in self.rows]


def page_url(row: Model) -> str:
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])


def link(row: Model, text: object = None) -> str:
    """The row's name as a link to its page."""
    return anchor(page_url(row), row if text is None else text)


def verb_link(row: Model, verb: str, text: object) -> str:
    """A link to the page of a verb, such as the one that undoes what was just done."""
    opts = row._meta
    return anchor(reverse(f"admin:{opts.app_label}_{opts.model_name}_{verb}", args=[row.pk]), text)


def anchor(address: str, text: object) -> str:
    return format_html(
        '<a href="{}" class="font-medium text-primary-700 underline underline-offset-2 '
        'dark:text-primary-400">{}</a>',
        address,
        text,
    )


def phone_link(number: str) -> str:
    """A number that may be called: on a phone one tap calls it; it is never broken in two."""
    dialed = re.sub(r"[^\d+]", "", number)
    return anchor(f"tel:{dialed}", format_html('<span class="clinic-next">{}</span>', number))
