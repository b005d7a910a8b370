"""What the tool says to people, by language."""
