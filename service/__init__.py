"""Surrogym over HTTP: sessions, jobs, models and monitors."""
