"""The run's state machine and its actions: decide, advance, admit, schedule, join, finalize."""
