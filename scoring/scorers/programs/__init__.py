"""Programs of the operator as scorers: image-to-image models, and Python files with one protocol (docs/scorers.md)."""
