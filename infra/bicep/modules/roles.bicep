metadata description = 'Every role assignment of the deployment. No other module assigns a role.'

import { person } from '../types.bicep'

@description('Required. Name of the data account.')
param dataAccountName string

@description('Required. Name of the ops account.')
param opsAccountName string

@description('Required. Name of the Batch account.')
param batchAccountName string

@description('Required. Name of the container registry.')
param registryName string

@description('Required. Name of the Application Insights component.')
param insightsName string

@description('Required. Name of the identity of the Function App.')
param appIdentityName string

@description('Required. Name of the identity of the nodes.')
param poolIdentityName string

@description('Required. Name of the Event Grid topic, which has a system-assigned identity.')
param topicName string

@description('Required. Principal id of the identity of the Function App.')
param appPrincipalId string

@description('Required. Principal id of the identity of the nodes.')
param poolPrincipalId string

@description('Required. Principal id of the identity of the topic.')
param topicPrincipalId string

@description('Required. Whether the app signs URLs with which browsers upload to input.')
param browserUploads bool

@description('Required. Users and groups who upload videos and download results.')
param uploaders person[]

@description('Required. Object id of the operator; empty for none.')
param operatorPrincipalId string

@description('Required. Type of the operator.')
param operatorPrincipalType 'User' | 'Group' | 'ServicePrincipal'

var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor
var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a' // Storage Blob Delegator
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
var queueSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a' // Storage Queue Data Message Sender
var queueProcessor = '8a0f0c08-91a1-4084-bc3d-661d67233fed' // Storage Queue Data Message Processor
var tableContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
var imagePull = '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
var batchSubmitter = '48e5e92e-a480-4e71-aa9c-2778f4c13781' // Azure Batch Job Submitter
var batchReader = '11076f67-66f6-4be0-8f6b-f0609fd05cc9' // Azure Batch Account Reader

// The principal id of a managed identity is known only after the identity exists. Lists and names below use the id of its
// resource instead, so that what-if and snapshots can predict them. People have their object id as key.
var principalIds = {
  '${appIdentity.id}': appPrincipalId
  '${poolIdentity.id}': poolPrincipalId
  '${topic.id}': topicPrincipalId
}
var app = { key: appIdentity.id, type: 'ServicePrincipal' }
var pool = { key: poolIdentity.id, type: 'ServicePrincipal' }
var eventGrid = { key: topic.id, type: 'ServicePrincipal' }
var operators = empty(operatorPrincipalId) ? [] : [{ key: operatorPrincipalId, type: operatorPrincipalType }]
// union removes an operator who is also listed as an uploader: the same assignment twice is an error.
var people = union(map(uploaders, uploader => { key: uploader.id, type: uploader.type }), operators)

// What nodes may write in these containers, as patterns of blob names; they may read all of them. Requests, plans, outcomes
// and marks are written by the app only, so that a compromised node can't change what a run is or how it ended.
var nodeWrites = {
  runs: [
    '*/batches/*'
    '*/damaged/*'
    '*/errors/*'
    '*/failures/*'
    '*/join.lease'
    '*/manifest.json'
    '*/prepared.safetensors'
    '*/product.json'
    '*/progress/*'
    '*/queued-batches'
    '*/queued-join'
    '*/split.json'
    'tuned/*'
  ]
  output: [
    '*/records.jsonl'
    '*/video.*'
  ]
}
var blobActions = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'
var blobPath = '@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]'
var noWrite = join(
  map(['write', 'add/action', 'delete', 'move/action'], action => '!(ActionMatches{\'${blobActions}/${action}\'})'),
  ' AND '
)
var nodeConditions = {
  runs: '((${noWrite}) OR (${join(map(nodeWrites.runs, name => '${blobPath} StringLike \'${name}\''), ' OR ')}))'
  output: '((${noWrite}) OR (${join(map(nodeWrites.output, name => '${blobPath} StringLike \'${name}\''), ' OR ')}))'
}

var dataContainerRoles = concat(
  [
    { container: 'input', role: blobReader, principal: app }
    { container: 'triggers', role: blobReader, principal: app }
    { container: 'work', role: blobContributor, principal: app }
    { container: 'output', role: blobContributor, principal: app }
    { container: 'input', role: blobReader, principal: pool }
    { container: 'work', role: blobContributor, principal: pool }
    { container: 'output', role: blobContributor, principal: pool, condition: nodeConditions.output }
  ],
  // A signed URL allows what its signer may do.
  browserUploads ? [{ container: 'input', role: blobContributor, principal: app }] : [],
  flatten(map(people, principal => [
    { container: 'input', role: blobContributor, principal: principal }
    { container: 'triggers', role: blobContributor, principal: principal }
    { container: 'output', role: blobReader, principal: principal }
  ]))
)

// The host creates containers and tables for its locks, keys and timers at run time: it needs the whole ops account.
var opsAccountRoles = concat(
  [
    { role: blobOwner, principal: app }
    { role: queueContributor, principal: app }
    { role: tableContributor, principal: app }
  ],
  // An operator looks at messages and removes one that stops the host (docs/operations.md).
  map(operators, principal => { role: queueProcessor, principal: principal })
)

var opsContainerRoles = concat(
  [
    { container: 'runs', role: blobContributor, principal: pool, condition: nodeConditions.runs }
    { container: 'logs', role: blobContributor, principal: pool }
    { container: 'scripts', role: blobReader, principal: pool }
    { container: 'hashes', role: blobReader, principal: pool }
    { container: 'deadletter', role: blobContributor, principal: eventGrid }
  ],
  flatten(map(operators, principal => [
    { container: 'runs', role: blobReader, principal: principal }
    { container: 'logs', role: blobReader, principal: principal }
    { container: 'scripts', role: blobContributor, principal: principal }
    { container: 'deadletter', role: blobReader, principal: principal }
  ]))
)

var batchRoles = concat(
  [
    { role: batchSubmitter, principal: app }
    { role: batchReader, principal: app }
  ],
  map(operators, principal => { role: batchReader, principal: principal })
)

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource poolIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: poolIdentityName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

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

resource dataContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [
  for assignment in dataContainerRoles: {
    parent: dataAccount::blobs
    name: assignment.container
  }
]

resource opsContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [
  for assignment in opsContainerRoles: {
    parent: opsAccount::blobs
    name: assignment.container
  }
]

resource batchAccount 'Microsoft.Batch/batchAccounts@2025-06-01' existing = {
  name: batchAccountName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource dataContainerAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (assignment, i) in dataContainerRoles: {
    scope: dataContainers[i]
    name: guid(dataContainers[i].id, assignment.principal.key, assignment.role)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
      principalId: principalIds[?assignment.principal.key] ?? assignment.principal.key
      principalType: assignment.principal.type
      condition: assignment.?condition
      conditionVersion: contains(assignment, 'condition') ? '2.0' : null
    }
  }
]

// Lets the operator sign a SAS for a guest without an account. It grants no data access: a SAS can do what its signer can.
resource delegatorAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principal in concat([app], operators): {
    scope: dataAccount
    name: guid(dataAccount.id, principal.key, blobDelegator)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
      principalId: principalIds[?principal.key] ?? principal.key
      principalType: principal.type
    }
  }
]

resource opsAccountAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for assignment in opsAccountRoles: {
    scope: opsAccount
    name: guid(opsAccount.id, assignment.principal.key, assignment.role)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
      principalId: principalIds[?assignment.principal.key] ?? assignment.principal.key
      principalType: assignment.principal.type
    }
  }
]

resource opsContainerAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (assignment, i) in opsContainerRoles: {
    scope: opsContainers[i]
    name: guid(opsContainers[i].id, assignment.principal.key, assignment.role)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
      principalId: principalIds[?assignment.principal.key] ?? assignment.principal.key
      principalType: assignment.principal.type
      condition: assignment.?condition
      conditionVersion: contains(assignment, 'condition') ? '2.0' : null
    }
  }
]

// The only queue right of a node: report that a batch has finished.
resource finishedQueueAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: opsAccount::queues::finished
  name: guid(opsAccount::queues::finished.id, pool.key, queueSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender)
    principalId: poolPrincipalId
    principalType: pool.type
  }
}

resource batchAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for assignment in batchRoles: {
    scope: batchAccount
    name: guid(batchAccount.id, assignment.principal.key, assignment.role)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
      principalId: principalIds[?assignment.principal.key] ?? assignment.principal.key
      principalType: assignment.principal.type
    }
  }
]

resource registryAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, pool.key, imagePull)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', imagePull)
    principalId: poolPrincipalId
    principalType: pool.type
  }
}

resource insightsAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, app.key, metricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: appPrincipalId
    principalType: app.type
  }
}
