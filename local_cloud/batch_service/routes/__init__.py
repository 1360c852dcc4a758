"""The HTTP routes of the REST API and their response format."""
