"""The run's state machine and its steps: decide, advance, admit, schedule, join, finalize."""
