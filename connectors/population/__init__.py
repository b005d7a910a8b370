"""The National Population Database."""
