"""What operators look at, and the orders that they give. Reads topics, decides nothing about a record."""
