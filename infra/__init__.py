"""All that belongs to deploying: the templates in `bicep/`, the scripts azd runs, and tools that work without Azure."""
