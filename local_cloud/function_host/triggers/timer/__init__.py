"""Timer triggers: NCRONTAB schedules, status blobs and missed occurrences."""
