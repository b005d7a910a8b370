"""What recipients use: who may receive what, and a look at what arrives."""
