"""Documents, names and options that the app, the nodes and the command line share."""
