"""PostgreSQL as a source: logical replication by pgoutput, and chunks whose visibility is compared with it."""
