"""The Batch tasks score, split and join, and what they share."""
