"""The insurance database."""
