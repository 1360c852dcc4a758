"""Scorers: networks and programs that map frames to pictures or to records."""
