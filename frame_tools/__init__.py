"""What the Function App, the node image and the command line share: contracts, storage, media, costs and the client."""
