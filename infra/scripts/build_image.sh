#!/bin/sh
# Build the node image inside the registry (no Docker here) under the name that the app's setting NODE_IMAGE has.
# An image of that name that is already there is left as it is: a new one gets a new nodeImageTag.
set -eu
image=${NODE_IMAGE#*/}
if az acr repository show --name "$AZURE_CONTAINER_REGISTRY_NAME" --image "$image" --output none 2>/dev/null; then
  echo "$NODE_IMAGE is there."
  exit 0
fi
exec az acr build --registry "$AZURE_CONTAINER_REGISTRY_NAME" --image "$image" --file scoring/Dockerfile --platform linux/amd64 .
