"""Every write of this floor: verbs, keyword-only, `by=` the actor, atomic, parents locked first."""

from scheduling.services.blocks import add_block, change_block, end_block
from scheduling.services.bookings import book, withdraw
from scheduling.services.call_ins import TakenBack, call_in, release, take_back_call_in
from scheduling.services.closures import (
    add_closure,
    add_time_off,
    affected_sessions,
    uncovered_sessions,
)
from scheduling.services.combining import (
    Combined,
    combine_sessions,
    part_sessions,
)
from scheduling.services.credentials import set_credentials
from scheduling.services.deciding import Decided, choices_of
from scheduling.services.expansion import Expansion, expand
from scheduling.services.fitting import combinable_with
from scheduling.services.groups import open_second_group
from scheduling.services.memberships import (
    cancel_membership,
    end_membership,
    enrol,
    set_capacity,
    transfer,
)
from scheduling.services.placing import hold_by_video, hold_in_room, hold_off_site
from scheduling.services.refitting import Refitted
from scheduling.services.sessions import (
    cancel_session,
    create_session,
    move_session,
    revive_session,
)
from scheduling.services.substitutes import assign_substitute
from scheduling.services.taking_back import (
    Undone,
    lock_decided,
    take_back_closure,
    take_back_time_off,
)
from scheduling.services.telling import note_told
from scheduling.services.waitlist import (
    accept_offer,
    decline_offer,
    expire_offers,
    leave_waitlist,
    log_attempt,
    offer_seat,
    put_on_waitlist,
)
from scheduling.services.zones import Rezoned, change_zone

__all__ = [
    "Combined",
    "Decided",
    "Expansion",
    "Refitted",
    "Rezoned",
    "TakenBack",
    "Undone",
    "accept_offer",
    "add_block",
    "add_closure",
    "add_time_off",
    "affected_sessions",
    "assign_substitute",
    "book",
    "call_in",
    "cancel_membership",
    "cancel_session",
    "change_block",
    "change_zone",
    "choices_of",
    "combinable_with",
    "combine_sessions",
    "create_session",
    "decline_offer",
    "end_block",
    "end_membership",
    "enrol",
    "expand",
    "expire_offers",
    "hold_by_video",
    "hold_in_room",
    "hold_off_site",
    "leave_waitlist",
    "lock_decided",
    "log_attempt",
    "move_session",
    "note_told",
    "offer_seat",
    "open_second_group",
    "part_sessions",
    "put_on_waitlist",
    "release",
    "revive_session",
    "set_capacity",
    "set_credentials",
    "take_back_call_in",
    "take_back_closure",
    "take_back_time_off",
    "transfer",
    "uncovered_sessions",
    "withdraw",
]
