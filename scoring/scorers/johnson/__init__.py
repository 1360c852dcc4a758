"""The scorer `johnson`: networks trained for one painting each, as pytorch/examples' fast_neural_style makes them."""
