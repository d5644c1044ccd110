"""The services of Mission Control; ARCHITECTURE.md has the map."""
