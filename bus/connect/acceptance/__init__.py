"""What every connector must show on its own source before it is trusted; nothing in the source is changed by it."""
