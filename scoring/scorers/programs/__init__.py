"""The operator's programs as scorers: image-to-image models, and Python scripts with one protocol (docs/scorers.md)."""
