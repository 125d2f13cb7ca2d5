"""The people of the demo. All of them are invented, and meant to look it."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass

FIRST = (
    "Amara", "Bao", "Cedric", "Dolores", "Eitan", "Farida", "Gus", "Hana", "Ines", "Jamal",
    "Keiko", "Lars", "Mireille", "Nikhil", "Odette", "Pavel", "Quentin", "Rosa", "Sanjay", "Tala",
    "Ulrich", "Valeria", "Winona", "Xiomara", "Yusuf", "Zelda", "Abel", "Brigid", "Chidi", "Delia",
    "Emre", "Fleur", "Gideon", "Halima", "Ilya", "Joy", "Kofi", "Leilani", "Mateo", "Noor",
)  # fmt: skip
LAST = (
    "Sampleton", "Mockridge", "Testerman", "Fauxley", "Demoreau", "Examplewood", "Placeholder",
    "Fictionado", "Pseudonimo", "Imaginova", "Standinski", "Dummyfield", "Nguyen-Sample",
    "Okafor-Test", "Garcia-Ficta", "Made-Upton", "Notreal", "Inventadze", "Pretendergast",
    "Ghostwright", "Blankenship-Demo", "Specimen", "Nobodyson", "Makebelieu", "Protoklein",
)  # fmt: skip
PRONOUNS = ("she/her", "he/him", "they/them", "she/her", "he/him")
TIMES = ("mornings", "after 3 PM", "lunch hour", "any time")
RELATIONS = ("sister", "brother", "spouse", "mother", "friend")


@dataclass(frozen=True, slots=True)
class Person:
    record: str
    first_name: str
    last_name: str
    birth_date: datetime.date
    minor: bool = False


class Cast:
    """Hands out people, each once, the same ones for the same seed."""

    def __init__(self, rng: random.Random, today: datetime.date) -> None:
        self._rng = rng
        self._today = today
        names = [(first, last) for first in FIRST for last in LAST]
        rng.shuffle(names)
        self._names = iter(enumerate(names))
        self.people: list[Person] = []

    def adult(self) -> Person:
        return self._person(self._today - datetime.timedelta(days=self._rng.randint(7000, 22000)))

    def minor(self) -> Person:
        born = self._today - datetime.timedelta(days=self._rng.randint(5200, 6100))
        return self._person(born, minor=True)

    def turning_18(self, day: datetime.date) -> Person:
        """Somebody whose 18th birthday is on `day`."""
        leap = day.month == 2 and day.day == 29
        return self._person(
            day.replace(year=day.year - 18, day=28 if leap else day.day), minor=True
        )

    def _person(self, born: datetime.date, *, minor: bool = False) -> Person:
        number, (first, last) = next(self._names)
        person = Person(f"R-{1001 + number}", first, last, born, minor)
        self.people.append(person)
        return person


def phone(number: int) -> str:
    """A number of the block that is kept for fiction: 555-0100 to 555-0199."""
    return f"203-555-01{number % 100:02}"


def patient_rows(people: list[Person]) -> list[dict[str, object]]:
    """The patients with contact facts of every kind: safe and unsafe phones, guardians, consent."""
    rows = []
    for number, person in enumerate(people):
        row: dict[str, object] = {
            "record_number": person.record,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "birth_date": person.birth_date,
            "preferred_name": "Sam" if number % 17 == 3 else "",
            "pronouns": PRONOUNS[number % len(PRONOUNS)],
            "phone": phone(number),
            "phone_is_safe": number % 7 != 2,
            "may_leave_voicemail": number % 3 != 1,
            "may_text": number % 2 == 0,
            "may_say_clinic_name": number % 4 == 0,
            "best_time_to_call": TIMES[number % len(TIMES)],
            "emergency_name": f"{FIRST[number % len(FIRST)]} {person.last_name}",
            "emergency_phone": phone(number + 50),
            "emergency_relation": RELATIONS[number % len(RELATIONS)],
            "emergency_consent": number % 5 != 4,
        }
        if person.minor:
            row |= {
                "guardian_name": f"{FIRST[(number + 7) % len(FIRST)]} {person.last_name}",
                "guardian_phone": phone(number + 25),
                "guardian_relation": "mother" if number % 2 else "father",
            }
        rows.append(row)
    return rows
