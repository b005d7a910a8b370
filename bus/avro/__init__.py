"""Avro as the bus uses it: schemas, frames, codecs, the schema registry and its client."""
