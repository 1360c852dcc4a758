"""The frame pipeline of a task: read, prefetch, score, guard, write."""
