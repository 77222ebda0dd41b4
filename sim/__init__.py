"""The true simulator: a service system as discrete events.

Simulated time is in minutes, and rates are per minute.
"""
