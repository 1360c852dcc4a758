"""Functions, their bindings, and one invocation through the Python worker."""
