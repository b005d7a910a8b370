"""The demonstration: a small country lives through a day on a bus of its own, and every agency's topics are checked."""
