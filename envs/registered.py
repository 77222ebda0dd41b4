"""Importing this module registers every bundled scenario; importing anything else registers none.

For `gymnasium.make("envs.registered:surrogym/clinic-v0")`, where a name is all that can be given.
"""

from __future__ import annotations

from envs.registration import register

IDS = register()
"""The ids of the bundled scenarios."""
