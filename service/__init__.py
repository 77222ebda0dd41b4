"""Surrogym over HTTP: sessions, jobs, models and monitors.

Read in this order: `settings`, `errors`, `clock`, `database`, `security`, `platform`, `middleware`,
then a folder for each resource, and `app`, which puts them together.
"""
