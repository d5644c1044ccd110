"""The routing strategies against queueing theory: `make routing-study`, results in `docs/routing-study.md`."""
