"""SQL: what is remembered. Speaks domain types only."""
