metadata description = 'The Event Grid topic of the data account. blobtrigger.bicep adds its subscription after the code is deployed.'

import { tagSet } from '../types.bicep'

@description('Required. Name of the topic.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Name of the account whose blob events are published.')
param dataAccountName string

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: dataAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  // Only a system-assigned identity passes the firewall of the account that stores dead letters.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: dataAccount.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

@description('Principal id of the identity of the topic.')
output principalId string = topic.identity.principalId
