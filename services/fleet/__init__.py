"""The launcher: a whole fleet as processes on one machine."""
