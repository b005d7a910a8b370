"""The connector of the business register."""
