"""The HTTP interface without the Functions host: its operations, their answers, and the OpenAPI document."""
