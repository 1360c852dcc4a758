# The second stage: let Event Grid tell the function start_run of new trigger files. Again changes nothing.
$ErrorActionPreference = 'Stop'
$ops = ([Uri]$env:OPS__blobServiceUri).Host.Split('.')[0]
az deployment group create --resource-group $env:AZURE_RESOURCE_GROUP --name blobtrigger `
  --template-file infra/bicep/blobtrigger.bicep --output none --parameters `
  "functionAppName=$env:AZURE_FUNCTION_APP_NAME" "topicName=$env:EVENT_TOPIC_NAME" "opsAccountName=$ops"
exit $LASTEXITCODE
