"""Sharing agreements: a text that policy staff write, checked, and compiled to what the router obeys."""
