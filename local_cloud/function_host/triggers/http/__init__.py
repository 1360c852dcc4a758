"""HTTP triggers: routes, keys, the webhook and the admin API."""
