"""Learn cheaply on surrogates, correct on the true simulator, notice when it has changed."""
