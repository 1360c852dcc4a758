"""From an accepted request to the plan: frames, styles, masks and batch borders."""
