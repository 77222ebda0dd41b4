"""Learning cheaply on surrogates, correcting on the true simulator and noticing when it has changed."""
