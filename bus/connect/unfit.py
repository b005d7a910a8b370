"""What is told of a row that cannot become a record."""


class RowUnfit(ValueError):
    """A row that its dataset's contract does not take. The text names column and rule, never a value."""
