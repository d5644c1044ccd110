"""The RPCs as Python calls: one module for each service, and the connection below them."""
