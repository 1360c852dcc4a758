"""What a run tells people: status, report and cost."""
