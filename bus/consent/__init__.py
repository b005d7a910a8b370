"""Consent: events, what follows from them, and their bytes."""
