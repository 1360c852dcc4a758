"""One module per trigger: what each function of the Function App does."""
