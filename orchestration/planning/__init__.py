"""Planning: an accepted request becomes a plan with frames, styles, masks and batch borders."""
