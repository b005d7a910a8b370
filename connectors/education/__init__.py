"""The diploma database."""
