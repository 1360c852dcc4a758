"""The three Batch tasks (score, split, join) and what they share."""
