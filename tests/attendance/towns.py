"""Random clinics for placements: groups with their templates, members and leaders, from a seed."""

from __future__ import annotations

import datetime
import random
from typing import Any

from attendance.compliance.placement import Placement, proposals
from attendance.compliance.placement_facts import Wish
from attendance.compliance.rules.placement import Slot
from patients.models import AgeBracket, Episode
from scheduling.models import Booking, Closure, Group, GroupMembership
from scheduling.services import expand
from tests import factories as f
from tests.attendance.house import BEFORE, BREAKS, JOB, WED, House

DAY = datetime.timedelta(days=1)
STARTS = WED + DAY
TIMES = [
    (datetime.time(9), datetime.time(12, 20), BREAKS),
    (datetime.time(9), datetime.time(12), [[50, 60], [110, 120], [170, 180]]),  # 3 x 50: R9
    (datetime.time(13), datetime.time(16), []),
    (datetime.time(18), datetime.time(21, 20), BREAKS),
]
WEEKS = [(0, 2, 4), (0, 1, 3), (1, 3), (0, 2), (4,), (0, 1, 2, 3)]


class Town(House):
    """The house's clinic with so many more groups; its own group is one of them."""

    def __init__(self, seed: int, groups: int = 5) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.program = self.group.program
        self.therapists = [self._therapist() for _ in range(3)]
        for _ in range(2):
            f.RoomFactory(clinic=self.clinic, seats=2)
        for _ in range(groups):
            self._group()
        expand(clinic=self.clinic, today=WED, by=JOB)

    def _therapist(self) -> Any:
        therapist = f.TherapistFactory(clinic=self.clinic)
        f.LicenseFactory(therapist=therapist, clinic=self.clinic)
        return therapist

    def _group(self) -> None:
        chance = self.random
        odd: dict[str, Any] = chance.choice([{}, {}, {}, {"level": 3}, {"population": "veterans"},
                             {"age_bracket": AgeBracket.ADOLESCENT},
                             {"program": f.ProgramFactory(clinic=self.clinic)}])  # fmt: skip
        group = f.GroupFactory(
            clinic=self.clinic, capacity=8, min_size=1, **{"program": self.program, **odd}
        )
        starts, ends, breaks = chance.choice(TIMES)
        leader = f.TherapistFactory(clinic=self.clinic)
        for weekday in chance.choice(WEEKS):
            f.WeeklyBlockFactory(
                group=group, valid_from=BEFORE, session_type=self.type, weekday=weekday,
                starts_at=starts, ends_at=ends, breaks=breaks, facilitator=leader,
                every_weeks=chance.choice([1, 1, 1, 2]),
            )  # fmt: skip
        for seat in range(1, 1 + chance.choice([0, 3, 7, 8])):
            self._member(group, seat)

    def _member(self, group: Group, seat: int) -> None:
        """Some leave soon."""
        last = self.random.choice([None, None, STARTS + self.random.randrange(30) * DAY])
        GroupMembership.objects.create(
            clinic=self.clinic, group=group, seat=seat, starts_on=BEFORE, ends_on=last,
            episode=f.admitted(self.clinic, on=BEFORE, program=self.program),
        )  # fmt: skip

    def newcomer(self, **extra: Any) -> Episode:
        """In treatment, in no group yet."""
        extra.setdefault("primary_therapist", self.random.choice(self.therapists))
        return self.patient(BEFORE, seat=None, **extra)

    def disturb(self, episode: Episode) -> None:
        """Sometimes a session of the patient's own, sometimes a closed day, in the first days."""
        chance = self.random
        for _ in range(chance.choice([0, 0, 1, 2])):
            day, hour = STARTS + chance.randrange(12) * DAY, chance.randrange(8, 20)
            span = f.at(self.clinic, str(day), f"{hour:02}:00")
            if not Booking.objects.filter(episode=episode, starts_at=span).exists():
                session = f.session(self.clinic, str(day), f"{hour:02}:00", f"{hour:02}:50")
                f.booking(session, episode)
        if chance.random() < 0.3:
            day = STARTS + chance.randrange(12) * DAY
            Closure.objects.create(
                clinic=self.clinic, starts_on=day, ends_on=day, reason="Training"
            )

    def wish(self) -> Wish:
        """At work or at school on some days, or never."""
        chance = self.random
        away = [
            Slot(weekday, datetime.time(chance.choice([8, 12, 17])), datetime.time(21))
            for weekday in chance.sample(range(5), chance.choice([0, 0, 1, 2]))
        ]
        return Wish(
            starts_on=STARTS,
            minutes=chance.choice([540, 540, 600, 660]),
            days=3,
            away=tuple(away),
            population_opt_in=chance.random() < 0.5,
        )

    def groups(self) -> list[Group]:
        rows = Group.objects.filter(clinic=self.clinic, active=True).select_related("clinic")
        return list(rows.order_by("pk"))

    def placement(self, episode: Episode, wish: Wish) -> Placement:
        now = self.at(WED, "08:00")
        return proposals(episode=episode, wish=wish, groups=self.groups(), now=now)
