"""Kafka behind few words: access, readers, writers, administration. The only folder that imports a Kafka client."""
