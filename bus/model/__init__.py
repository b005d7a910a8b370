"""Frozen values that every part of the bus shares. Nothing here does I/O or reads the time."""
