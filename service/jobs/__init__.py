"""Training jobs: every stage of the work, durable."""
