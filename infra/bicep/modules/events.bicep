metadata description = 'The Event Grid topic of the data account. Its subscription is blobtrigger.bicep: it needs a running function.'

import { tagSet } from '../types.bicep'

@description('Required. Name of the topic.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Account whose blobs are announced.')
param dataAccountName string

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: dataAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  // System-assigned: only such an identity passes the firewall of the account that takes dead letters.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: dataAccount.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

@description('Name of the topic.')
output name string = topic.name

@description('Principal id of the topic\'s identity.')
output principalId string = topic.identity.principalId
