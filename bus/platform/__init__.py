"""The local platform: a Kafka, a PostgreSQL and the stages as child processes of one parent, with state in BUS_HOME."""
