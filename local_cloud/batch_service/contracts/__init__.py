"""The wire contract: request bodies, JSON types, error codes and validation."""
