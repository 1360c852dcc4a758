"""Cost and duration estimates of a run, and the prices and throughput that they are based on."""
