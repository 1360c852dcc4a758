metadata description = 'The second stage: Event Grid calls the function start_run for new trigger files. Deploy it after the code (docs/deploy.md).'

@description('Required. Name of the Function App.')
param functionAppName string

@description('Required. Name of the Event Grid topic.')
param topicName string

@description('Required. Name of the ops account, which stores dead letters.')
param opsAccountName string

@description('Optional. Store events that could not be delivered in the container deadletter. A storage firewall can refuse the container; the hook then deploys without it.')
param keepDeadLetters bool = true

var deadLetters = {
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

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource opsAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: opsAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'triggers-to-start-run'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'WebHook'
      properties: {
        // The only key of the templates. The host creates it when the code is deployed, and the subscription stores it.
        #disable-next-line use-resource-symbol-reference use-secure-value-for-secure-inputs
        endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.start_run&code=${listKeys('${app.id}/host/default', '2025-03-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
        minimumTlsVersionAllowed: '1.2'
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/triggers/'
      subjectEndsWith: '.json'
      // Only operations that complete a blob: a partly written one starts nothing.
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose']
        }
        // The host reads a whole blob into memory before it calls the app, so a huge file would kill the instance. The
        // number is the app's own limit of trigger files; its sweep refuses larger ones with a reason.
        {
          operatorType: 'NumberLessThanOrEquals'
          key: 'data.contentLength'
          value: 65536
        }
      ]
    }
    deadLetterWithResourceIdentity: keepDeadLetters ? deadLetters : null
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
