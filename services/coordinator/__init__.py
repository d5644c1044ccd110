"""The coordinator: task state, admission of agents, leases, the activity feed."""
