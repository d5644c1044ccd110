"""The event gateway: the activity feed as SSE and NDJSON."""
