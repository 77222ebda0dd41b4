"""How soon a policy is good again after a change: by each way to train it, against the clock."""
