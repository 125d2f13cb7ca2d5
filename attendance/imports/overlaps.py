"""Weekly blocks of a file that cannot both meet: one group, patient, leader or room twice at once.

What is over is history, however it came to be. A block of one day is a single session of a patient:
whether that finds its people free is asked when it is planned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator

from attendance.imports.intake import Draft, Intake
from attendance.imports.tables import BLOCKS
from scheduling.models import WeeklyBlock
from scheduling.services.blocks import overlap


def refuse_overlaps(intake: Intake, written: Iterable[Draft]) -> None:
    """Refuse each new block that meets beside one which is stored or stands in an earlier line."""
    new = {draft.instance.pk: draft for draft in written if _weekly(draft.instance)}
    if not new:
        return
    rows = WeeklyBlock.objects.filter(clinic=intake.clinic).exclude(group__active=False)
    seen: dict[Hashable, list[WeeklyBlock]] = defaultdict(list)
    stored = [one for one in rows.select_related("group") if _weekly(one)]
    for block in sorted(stored, key=lambda one: (one.pk in new, one.pk)):
        others = {one.pk: one for key in _shared(block) for one in seen[key]}
        if (draft := new.get(block.pk)) is not None:
            _refuse_one(intake, draft, others.values())
        for key in _shared(block):
            seen[key].append(block)


def _refuse_one(intake: Intake, draft: Draft, others: Iterable[WeeklyBlock]) -> None:
    columns = {column.fills: column.name for column in BLOCKS.columns}
    for other in others:
        if refused := overlap(draft.instance, other, since=intake.today):
            intake.refuse(draft.row, columns[refused.field], refused.message)
            return


def _weekly(block: WeeklyBlock) -> bool:
    return block.valid_from != block.valid_until


def _shared(block: WeeklyBlock) -> Iterator[Hashable]:
    """What two blocks of a weekday may not both have."""
    for leader in {block.facilitator_id, block.co_facilitator_id} - {None}:
        yield block.weekday, "leader", leader
    for name in ("group_id", "episode_id", "room_id"):
        if (key := getattr(block, name)) is not None:
            yield block.weekday, name, key
