"""Client workflows over blob storage and the HTTP API: upload, start, poll, download."""
