"""Speed measurements, each a ratio against a peer timed in the same run."""
