"""The scheduler: decides which agent gets which task."""
