"""Networks whose best control is known: how near does a policy learnt on a surrogate come?"""
