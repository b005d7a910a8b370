"""The tax database."""
