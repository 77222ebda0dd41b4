"""Others who simulate the same systems, each written as its library's tutorials are.

They know the workloads and nothing of our engine, so that they also check it.
"""
