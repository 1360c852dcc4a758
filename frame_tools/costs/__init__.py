"""Cost and duration estimates of a run, and the prices and throughput behind them."""
