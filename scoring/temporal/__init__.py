"""Steadiness: a frame follows the one before along the motion in the video; and how steady it is, measured."""
