"""Which fidelity score foretells what the policy trained on a surrogate is worth."""
