"""Do the lean DQN and SAC learn what RLlib's own do? See README.md."""
