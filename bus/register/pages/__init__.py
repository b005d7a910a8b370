"""How the published register looks: its style, and the script that searches it."""
