"""What the bus says about itself: log events and how they are written."""

from bus.telemetry.events import Event
from bus.telemetry.log import configure, emit, place_of, told_of

__all__ = ["Event", "configure", "emit", "place_of", "told_of"]
