"""Tests of the built node image: `make test-image` builds it first. Without the image they fail."""
