"""Build of the node image on this machine, without a Docker engine: `make image`."""
