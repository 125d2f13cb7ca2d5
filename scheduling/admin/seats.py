"""The services these pages call for what a week is made of.

The floor that judges weeks puts its own in their place: they write the same and judge again.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduling import services
from scheduling.models import (
    Booking,
    CallIn,
    GroupMembership,
    Session,
    WaitlistOffer,
    WaitlistStep,
)
from scheduling.services import TakenBack


class Seats:
    book: Callable[..., Booking] = staticmethod(services.book)
    release: Callable[..., Booking] = staticmethod(services.release)
    withdraw: Callable[..., Booking] = staticmethod(services.withdraw)
    create_session: Callable[..., Session] = staticmethod(services.create_session)
    move_session: Callable[..., Session] = staticmethod(services.move_session)
    cancel_session: Callable[..., Session] = staticmethod(services.cancel_session)
    revive_session: Callable[..., Session] = staticmethod(services.revive_session)
    enrol: Callable[..., GroupMembership] = staticmethod(services.enrol)
    transfer: Callable[..., GroupMembership] = staticmethod(services.transfer)
    end_membership: Callable[..., GroupMembership] = staticmethod(services.end_membership)
    cancel_membership: Callable[..., None] = staticmethod(services.cancel_membership)
    offer_seat: Callable[..., WaitlistOffer] = staticmethod(services.offer_seat)
    log_attempt: Callable[..., WaitlistStep] = staticmethod(services.log_attempt)
    accept_offer: Callable[..., GroupMembership] = staticmethod(services.accept_offer)
    call_in: Callable[..., CallIn] = staticmethod(services.call_in)
    take_back_call_in: Callable[..., TakenBack] = staticmethod(services.take_back_call_in)
