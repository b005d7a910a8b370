"""The bus's own schema registry: the Confluent API, answered from the topic `schemas`."""
