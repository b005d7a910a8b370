"""The connectors of the pretend country's registries; each is a manifest, a source and a README."""
