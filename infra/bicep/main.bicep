metadata name = 'Impasto'
metadata description = 'A video in, a restyled video out: Functions orchestrate, a Batch pool of GPU nodes paints. No account keys.'

import { customerKeySettings, mountKind, networkMode, person, poolSettings, runLimits, tagSet } from 'types.bicep'

@description('Required. Short name of the environment; part of every resource\'s name.')
@minLength(2)
@maxLength(10)
param environmentName string

@description('Optional. Region of every resource.')
@metadata({ azd: { type: 'location' } })
param location string = resourceGroup().location

@description('Optional. public: nodes and app use public addresses of their own, nothing costs at rest. serviceEndpoints: nodes have none and leave by a NAT gateway. private: storage, Batch and registry only by private endpoints.')
param network networkMode = 'serviceEndpoints'

@description('Optional. Who may reach the data account over the internet, with Entra ID or a SAS: IP ranges such as 203.0.113.0/24, or any. Empty: nobody, not even its owner.')
param uploadFrom string[] = []

@description('Optional. People who write input and triggers and read output, and nothing else.')
param uploaders person[] = []

@description('Optional. Object id of the user who looks after the system; empty for none.')
param operatorPrincipalId string = ''

@description('Optional. Size, image and scaling of the GPU pool.')
param pool poolSettings = {
  vmSize: 'Standard_NC4as_T4_v3'
  maxSpotNodes: 4
  maxDedicatedNodes: 2
  minNodes: 0
  taskSlotsPerNode: 1
  warmMinutes: 15
  ubuntuRelease: '2404'
  imageVersion: 'latest'
  gpuDriver: 'image'
  encryptionAtHost: true
}

@description('Optional. How tasks read frames. none: by the SDK. blobfuse, nfs: every node mounts the containers input and work, and tasks read from there; nfs decides how the data account is made, so it can\'t be changed later.')
param mounts mountKind = 'none'

@description('Optional. Tag of the node image in the registry.')
param nodeImageTag string = '1'

@description('Optional. What the app allows.')
param limits runLimits = {
  sweepSchedule: '0 */2 * * * *'
  sweepGraceSeconds: 120
  maxOpenRuns: 20
  maxFrames: 200000
  maxFramePixels: 33177600
  maxStyleBytes: 52428800
  maxTaskRetries: 2
  sweepRetries: 1
  taskMinutes: 60
  runHours: 48
  joinInFunctionBytes: 2147483648
}

@description('Optional. Prices that differ from the code\'s own, as JSON (see docs/cost.md); empty for the code\'s.')
param prices string = ''

@description('Optional. Programs in the container scripts that triggers may name, as JSON (see docs/scorers.md); empty for none.')
param allowedPrograms string = ''

@description('Optional. Days after which frames and segments are deleted.')
@minValue(1)
@maxValue(365)
param workRetentionDays int = 14

@description('Optional. A key of your own for both storage accounts; null for Microsoft\'s.')
param customerKey customerKeySettings?

@description('Optional. Log every read and write of the data account; a run of 15,000 frames makes some 60,000 lines.')
param auditData bool = false

@description('Optional. Mail addresses for alerts and the budget.')
param alertEmails string[] = []

@description('Optional. Monthly budget in the subscription\'s currency; 0 for none.')
@minValue(0)
param monthlyBudget int = 0

@description('Optional. First day of the budget, the first of a month. Give the same day at each later deployment.')
param budgetStart string = utcNow('yyyy-MM-01')

@description('Optional. Tags of every resource.')
param tags tagSet = {}

var token = take(uniqueString(subscription().id, resourceGroup().id, environmentName), 8)
var allTags = union(tags, { 'azd-env-name': environmentName })
var fromAnywhere = contains(uploadFrom, 'any')
var openMode = network == 'private' && fromAnywhere ? fail('uploadFrom "any" contradicts network "private": name IP ranges, or choose "serviceEndpoints".') : network
var mountsClosed = mounts == 'nfs' && (network == 'public' || fromAnywhere) ? fail('mounts "nfs" has no passwords, the network is its only lock: choose network "serviceEndpoints" or "private", and no "any" in uploadFrom.') : mounts
var subnetNames = openMode == 'private' ? [] : ['functions', 'batch']
var storageSuffix = environment().suffixes.storage

module identities 'modules/identities.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: environmentName
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: environmentName
    alertEmails: alertEmails
  }
}

module vnet 'modules/network.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: environmentName
    mode: openMode
  }
}

module data 'modules/storage.bicep' = {
  params: {
    name: 'stdata${token}'
    location: location
    tags: allTags
    containers: ['input', 'triggers', 'work', 'output']
    deleteRules: [{ container: 'work', days: workRetentionDays }]
    vnetName: vnet.outputs.name
    subnetNames: subnetNames
    allowFrom: uploadFrom
    nfs: mountsClosed == 'nfs'
    customerKey: customerKey
    workspaceId: monitoring.outputs.workspaceId
    blobLogs: auditData ? ['StorageRead', 'StorageWrite', 'StorageDelete'] : ['StorageDelete']
  }
}

module ops 'modules/storage.bicep' = {
  params: {
    name: 'stops${token}'
    location: location
    tags: allTags
    containers: ['runs', 'logs', 'scripts', 'app-package', 'deadletter']
    queues: ['frame-batches', 'finished-batches', 'frame-batches-poison', 'finished-batches-poison', 'webjobs-blobtrigger-poison']
    deleteRules: [
      { container: 'logs', days: 90 }
      { container: 'deadletter', days: 90 }
    ]
    vnetName: vnet.outputs.name
    subnetNames: subnetNames
    customerKey: customerKey
    workspaceId: monitoring.outputs.workspaceId
    blobLogs: ['StorageDelete']
  }
}

module registry 'modules/registry.bicep' = {
  params: {
    name: 'cr${token}'
    location: location
    tags: allTags
    isPrivate: openMode == 'private'
  }
}

module batch 'modules/batch.bicep' = {
  params: {
    name: 'ba${token}'
    location: location
    tags: allTags
    pool: pool
    mounts: mountsClosed
    mode: openMode
    poolIdentityId: identities.outputs.pool.id
    subnetId: vnet.outputs.batchSubnetId
    registryServer: registry.outputs.loginServer
    dataAccountName: data.outputs.name
    workspaceId: monitoring.outputs.workspaceId
  }
}

module functions 'modules/functions.bicep' = {
  params: {
    name: 'func-${environmentName}-${token}'
    location: location
    tags: allTags
    app: identities.outputs.app
    pool: identities.outputs.pool
    dataBlobUri: data.outputs.blobUri
    opsBlobUri: ops.outputs.blobUri
    opsQueueUri: ops.outputs.queueUri
    opsTableUri: ops.outputs.tableUri
    subnetId: vnet.outputs.functionsSubnetId
    insightsConnectionString: monitoring.outputs.connectionString
    batchEndpoint: batch.outputs.endpoint
    batchPoolId: batch.outputs.poolName
    nodeImage: '${registry.outputs.loginServer}/impasto-node:${nodeImageTag}'
    storageMode: mountsClosed == 'none' ? 'sdk' : 'mount'
    limits: limits
    prices: prices
    allowedPrograms: allowedPrograms
  }
}

module topic 'modules/events.bicep' = {
  params: {
    name: 'evgt-${environmentName}'
    location: location
    tags: allTags
    dataAccountName: data.outputs.name
  }
}

module roles 'modules/roles.bicep' = {
  params: {
    dataAccountName: data.outputs.name
    opsAccountName: ops.outputs.name
    batchAccountName: batch.outputs.name
    registryName: registry.outputs.name
    insightsName: monitoring.outputs.insightsName
    appPrincipalId: identities.outputs.app.principalId
    poolPrincipalId: identities.outputs.pool.principalId
    topicPrincipalId: topic.outputs.principalId
    uploaders: uploaders
    operatorPrincipalId: operatorPrincipalId
  }
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: environmentName
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: monitoring.outputs.actionGroupId
    batchAccountId: batch.outputs.id
    alertEmails: alertEmails
    monthlyBudget: monthlyBudget
    budgetStart: budgetStart
    minNodes: pool.minNodes
  }
}

module endpoints 'modules/endpoints.bicep' = if (openMode == 'private') {
  params: {
    location: location
    tags: allTags
    vnetId: vnet.outputs.vnetId
    subnetId: vnet.outputs.endpointsSubnetId
    targets: [
      { name: 'data-blob', resourceType: 'Microsoft.Storage/storageAccounts', resourceName: data.outputs.name, group: 'blob', zone: 'privatelink.blob.${storageSuffix}' }
      { name: 'ops-blob', resourceType: 'Microsoft.Storage/storageAccounts', resourceName: ops.outputs.name, group: 'blob', zone: 'privatelink.blob.${storageSuffix}' }
      { name: 'ops-queue', resourceType: 'Microsoft.Storage/storageAccounts', resourceName: ops.outputs.name, group: 'queue', zone: 'privatelink.queue.${storageSuffix}' }
      { name: 'ops-table', resourceType: 'Microsoft.Storage/storageAccounts', resourceName: ops.outputs.name, group: 'table', zone: 'privatelink.table.${storageSuffix}' }
      { name: 'batch-account', resourceType: 'Microsoft.Batch/batchAccounts', resourceName: batch.outputs.name, group: 'batchAccount', zone: 'privatelink.batch.azure.com' }
      { name: 'batch-nodes', resourceType: 'Microsoft.Batch/batchAccounts', resourceName: batch.outputs.name, group: 'nodeManagement', zone: 'privatelink.batch.azure.com' }
      { name: 'registry', resourceType: 'Microsoft.ContainerRegistry/registries', resourceName: registry.outputs.name, group: 'registry', zone: 'privatelink.azurecr.io' }
    ]
  }
}

@description('Name of the Function App.')
output AZURE_FUNCTION_APP_NAME string = functions.outputs.name

@description('Address of the Function App, without a key.')
output IMPASTO_API string = 'https://${functions.outputs.hostName}/api'

@description('Name of the registry, for az acr build.')
output AZURE_CONTAINER_REGISTRY_NAME string = registry.outputs.name

@description('Name of the Event Grid topic, for blobtrigger.bicep.')
output EVENT_TOPIC_NAME string = topic.outputs.name

@description('Name of the Batch account, for az batch.')
output AZURE_BATCH_ACCOUNT_NAME string = batch.outputs.name

@description('As the app\'s setting of this name.')
output BATCH_ENDPOINT string = batch.outputs.endpoint

@description('As the app\'s setting of this name.')
output BATCH_POOL_ID string = batch.outputs.poolName

@description('As the app\'s setting of this name.')
output NODE_IMAGE string = '${registry.outputs.loginServer}/impasto-node:${nodeImageTag}'

@description('As the app\'s setting of this name; all that python -m frame_tools needs.')
output DATA__blobServiceUri string = data.outputs.blobUri

@description('As the app\'s setting of this name.')
output OPS__blobServiceUri string = ops.outputs.blobUri

@description('As the app\'s setting of this name.')
output OPS__queueServiceUri string = ops.outputs.queueUri
