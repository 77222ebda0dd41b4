"""How long until a policy beats the best rule: by the simulator alone, or by a surrogate."""
