"""Stepping environments over a network, in sessions that survive the service."""
