#!/bin/sh
# The second stage: let Event Grid tell the function start_run of new trigger files. Again changes nothing.
set -eu
ops=${OPS__blobServiceUri#https://}
exec az deployment group create --resource-group "$AZURE_RESOURCE_GROUP" --name blobtrigger \
  --template-file infra/bicep/blobtrigger.bicep --output none --parameters \
  "functionAppName=$AZURE_FUNCTION_APP_NAME" "topicName=$EVENT_TOPIC_NAME" "opsAccountName=${ops%%.*}"
