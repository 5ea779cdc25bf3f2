"""Custom resources: kinds that users define, compiled from the schema in their definition."""
