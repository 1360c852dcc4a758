"""An evaluator for the pool's autoscale formula and a simulation of the pool. Both are models of the service."""
