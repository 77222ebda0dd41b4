"""One decision problem, played in the true simulator or in a surrogate."""
