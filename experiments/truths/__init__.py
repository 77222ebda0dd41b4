"""Truths that theory knows, held against what the simulator measures.

`catalogue.TRUTHS` is the one list: the tests run its short efforts, the study its thorough ones.
"""
