"""What the Function App, the node image and people share: words (manifest, plan, receipt), blobs and queues, media."""
