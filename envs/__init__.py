"""One decision problem for reinforcement learning, played in the true simulator or in a surrogate."""
