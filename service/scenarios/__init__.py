"""Scenarios: the systems that a service knows. Nobody brings code or paths from outside."""
