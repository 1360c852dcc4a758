metadata description = 'Every right in the system: who may do what, and where. Nothing else gives a role.'

import { person } from '../types.bicep'

@description('Required. Data account.')
param dataAccountName string

@description('Required. Ops account.')
param opsAccountName string

@description('Required. Batch account.')
param batchAccountName string

@description('Required. Container registry.')
param registryName string

@description('Required. Application Insights component.')
param insightsName string

@description('Required. The Function App\'s identity.')
param appPrincipalId string

@description('Required. The nodes\' identity.')
param poolPrincipalId string

@description('Required. The Event Grid topic\'s identity.')
param topicPrincipalId string

@description('Required. People who bring videos and fetch results.')
param uploaders person[]

@description('Required. Object id of the user who looks after the system; empty for none.')
param operatorPrincipalId string

var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor
var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a' // Storage Blob Delegator
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
var queueSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a' // Storage Queue Data Message Sender
var tableContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
var imagePull = '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
var batchSubmitter = '48e5e92e-a480-4e71-aa9c-2778f4c13781' // Azure Batch Job Submitter
var batchReader = '11076f67-66f6-4be0-8f6b-f0609fd05cc9' // Azure Batch Account Reader

var appWho = { id: appPrincipalId, type: 'ServicePrincipal' }
var poolWho = { id: poolPrincipalId, type: 'ServicePrincipal' }
var topicWho = { id: topicPrincipalId, type: 'ServicePrincipal' }
var operators = empty(operatorPrincipalId) ? [] : [{ id: operatorPrincipalId, type: 'User' }]
var people = union(uploaders, operators)

var onDataContainers = concat(
  [
    { place: 'input', role: blobReader, who: appWho }
    { place: 'triggers', role: blobReader, who: appWho }
    { place: 'work', role: blobContributor, who: appWho }
    { place: 'output', role: blobContributor, who: appWho }
    { place: 'input', role: blobReader, who: poolWho }
    { place: 'work', role: blobContributor, who: poolWho }
    { place: 'output', role: blobContributor, who: poolWho }
  ],
  flatten(map(people, one => [
    { place: 'input', role: blobContributor, who: one }
    { place: 'triggers', role: blobContributor, who: one }
    { place: 'output', role: blobReader, who: one }
  ])))

// The host keeps locks, keys and timers in containers and tables that it makes itself: it needs the whole ops account.
var onOps = [
  { role: blobOwner, who: appWho }
  { role: queueContributor, who: appWho }
  { role: tableContributor, who: appWho }
]

var onOpsContainers = concat(
  [
    { place: 'runs', role: blobContributor, who: poolWho }
    { place: 'logs', role: blobContributor, who: poolWho }
    { place: 'scripts', role: blobReader, who: poolWho }
    { place: 'deadletter', role: blobContributor, who: topicWho }
  ],
  flatten(map(operators, one => [
    { place: 'runs', role: blobReader, who: one }
    { place: 'logs', role: blobReader, who: one }
    { place: 'scripts', role: blobContributor, who: one }
    { place: 'deadletter', role: blobReader, who: one }
  ])))

var onBatch = concat(
  [
    { role: batchSubmitter, who: appWho }
    { role: batchReader, who: appWho }
  ],
  map(operators, one => { role: batchReader, who: one }))

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: dataAccountName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource opsAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: opsAccountName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }

  resource queues 'queueServices' existing = {
    name: 'default'

    resource finished 'queues' existing = {
      name: 'finished-batches'
    }
  }
}

resource dataContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for right in onDataContainers: {
  parent: dataAccount::blobs
  name: right.place
}]

resource opsContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for right in onOpsContainers: {
  parent: opsAccount::blobs
  name: right.place
}]

resource batchAccount 'Microsoft.Batch/batchAccounts@2024-07-01' existing = {
  name: batchAccountName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource dataContainers_rights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (right, i) in onDataContainers: {
  scope: dataContainers[i]
  name: guid(dataAccount.id, right.place, right.who.id, right.role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', right.role)
    principalId: right.who.id
    principalType: right.who.type
  }
}]

// To sign a SAS for somebody without an account. It gives no data by itself: a SAS can do what its signer may do.
resource dataAccount_delegators 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for one in operators: {
  scope: dataAccount
  name: guid(dataAccount.id, one.id, blobDelegator)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
    principalId: one.id
    principalType: one.type
  }
}]

resource opsAccount_rights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for right in onOps: {
  scope: opsAccount
  name: guid(opsAccount.id, right.who.id, right.role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', right.role)
    principalId: right.who.id
    principalType: right.who.type
  }
}]

resource opsContainers_rights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (right, i) in onOpsContainers: {
  scope: opsContainers[i]
  name: guid(opsAccount.id, right.place, right.who.id, right.role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', right.role)
    principalId: right.who.id
    principalType: right.who.type
  }
}]

// All that a node may do to a queue: say that a batch has ended.
resource finishedQueue_sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: opsAccount::queues::finished
  name: guid(opsAccount::queues::finished.id, poolPrincipalId, queueSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender)
    principalId: poolPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource batchAccount_rights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for right in onBatch: {
  scope: batchAccount
  name: guid(batchAccount.id, right.who.id, right.role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', right.role)
    principalId: right.who.id
    principalType: right.who.type
  }
}]

resource registry_pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, poolPrincipalId, imagePull)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', imagePull)
    principalId: poolPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource insights_publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, appPrincipalId, metricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
