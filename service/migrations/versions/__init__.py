"""Every step, in the order of their numbers."""
