"""Previews: a few frames of an uploaded clip in several looks, painted by one small task on the pool."""
