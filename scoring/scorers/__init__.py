"""Scorers: everything that turns frames into pictures or records."""
