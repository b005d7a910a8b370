"""The connector of the civil status database."""
