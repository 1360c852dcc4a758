metadata description = 'The second stage: tells the function start_run of new trigger files. Deploy it after the code (docs/deploy.md says why).'

@description('Required. Name of the Function App.')
param functionAppName string

@description('Required. Name of the Event Grid topic.')
param topicName string

@description('Required. Name of the ops account, which takes what could not be delivered.')
param opsAccountName string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource opsAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: opsAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource topic_toFunction 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'triggers-to-start-run'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'WebHook'
      properties: {
        // The one key in these templates: the host made it when the code came. It lies in the subscription, not here.
        #disable-next-line use-resource-symbol-reference use-secure-value-for-secure-inputs
        endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.start_run&code=${listKeys('${app.id}/host/default', '2024-11-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
        minimumTlsVersionAllowed: '1.2'
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/triggers/'
      subjectEndsWith: '.json'
      // Only calls that end a blob: a half-written one starts nothing.
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose']
        }
      ]
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: opsAccount.id
          blobContainerName: 'deadletter'
        }
      }
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
