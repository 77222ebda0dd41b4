"""Sessions in the words of OpenEnv, for its clients and its validator."""
