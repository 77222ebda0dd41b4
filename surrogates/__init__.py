"""Cheap answers to what the simulator would do next, each with an honest uncertainty."""
