"""The pool's autoscale formula, evaluated and played through on a model of the pool. It is a model, not the service."""
