"""How far a surrogate can be trusted: the report, and two examples of it."""
