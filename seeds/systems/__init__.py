"""The agencies' own systems, with their own words and codes; the bus reaches them only through connectors."""
