"""The Python SDK of Mission Control."""
