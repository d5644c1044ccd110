"""RULES: pure values in, values out. Neither grpc, nor SQL, nor asyncio, nor a clock."""
