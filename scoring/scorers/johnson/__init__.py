"""The scorer `johnson`: networks trained for one painting each, as by pytorch/examples' fast_neural_style."""
