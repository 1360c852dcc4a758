"""How the shipped weights were made, and how a style is fitted to one painting."""
