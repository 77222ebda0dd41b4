"""Trainings against the clock: what a policy was worth at every moment, and when it was enough."""
