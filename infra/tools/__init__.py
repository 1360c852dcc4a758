"""What works on the templates without Azure: the autoscale formula's model and chart, the table of settings."""
