# Build the node image inside the registry (no Docker here) under the name that the app's setting NODE_IMAGE has.
# An image of that name that is already there is left as it is: a new one gets a new nodeImageTag.
$ErrorActionPreference = 'Stop'
$image = $env:NODE_IMAGE.Substring($env:NODE_IMAGE.IndexOf('/') + 1)
az acr repository show --name $env:AZURE_CONTAINER_REGISTRY_NAME --image $image --output none 2>$null
if ($LASTEXITCODE -eq 0) {
  Write-Output "$env:NODE_IMAGE is there."
  exit 0
}
az acr build --registry $env:AZURE_CONTAINER_REGISTRY_NAME --image $image --file scoring/Dockerfile --platform linux/amd64 .
exit $LASTEXITCODE
