"""WIRE: what the processes share to speak gRPC."""
