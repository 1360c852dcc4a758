"""Configuration: app settings, host.json and binding expressions."""
