"""What a paper says, in words: its page and its PDF print the same sheet."""

from __future__ import annotations

from dataclasses import dataclass

PART2_NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
"""What a document of a Part 2 program carries (42 CFR 2.32), and no other: it tells of itself."""

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of the table that belong together, under a line of their own."""

    head: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A title, facts by name, one table in groups with a last line, and what must be known.

    `widths` are the columns' shares of the paper. `notice` is the sentence that a law asks for;
    empty where it asks for none.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    headers: Cells
    widths: tuple[float, ...]
    groups: tuple[Group, ...]
    total: Cells
    notes: tuple[str, ...]
    notice: str
    made: str
