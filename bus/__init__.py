"""The national data bus: registries publish, a consent-aware router passes on, every disclosure is logged."""
