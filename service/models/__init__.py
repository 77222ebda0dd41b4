"""Models: immutable versions of policies and surrogates, and aliases that say which one is used."""
