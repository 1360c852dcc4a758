"""Queue triggers: polling, message leases, poison queues and duplicate delivery."""
