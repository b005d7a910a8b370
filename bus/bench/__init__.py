"""Measures the bus: deliveries for a second of CPU, how late one is, how soon a withdrawal holds."""
