"""The National Land Database."""
