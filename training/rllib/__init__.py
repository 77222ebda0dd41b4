"""The one door to Ray: sessions, an executor, and PPO on batched environments.

Only names are listed here; importing a submodule is what loads Ray.
"""
