"""For a recipient's own programs: `async with subscribe("my-agency", group="copy") as arrivals: …`."""

from bus.deliver.arrival import Arrival, Erasure, Release
from bus.deliver.subscribe import Subscription, subscribe, subscription
from bus.deliver.table import Table

__all__ = ["Arrival", "Erasure", "Release", "Subscription", "Table", "subscribe", "subscription"]
