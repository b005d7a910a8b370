"""The filter language: a subset of CEL, checked against a dataset's schema and compiled to a Python function."""
