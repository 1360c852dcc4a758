"""Training: fine-tuning of the shipped weights, and fitting a style to one painting."""
