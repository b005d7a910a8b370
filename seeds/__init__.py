"""The pretend country: its people, its land, its agencies, and a day in it. Nobody in it is real."""
