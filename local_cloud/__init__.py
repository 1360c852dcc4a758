"""The cloud on one machine: for people and tests, never deployed."""
