"""The connector of the database of bank accounts."""
