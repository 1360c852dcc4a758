"""Event Grid triggers: events that arrive at the webhook."""
