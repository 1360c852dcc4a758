metadata name = 'Impasto'
metadata description = 'Repaints videos in the style of a painting: Functions orchestrate, a Batch pool of GPU nodes renders. No account keys.'

import { customerKeySettings, mountKind, networkMode, person, poolOptions, runLimits, tagSet } from 'types.bicep'

@description('Required. Name of the environment; part of the names of most resources.')
@minLength(2)
@maxLength(64)
param environmentName string

@description('Optional. Region of every resource.')
@metadata({ azd: { type: 'location' } })
param location string = resourceGroup().location

@description('Optional. public: nodes and app have public addresses and no NAT gateway, which is the cheapest at rest (docs/cost.md has the cost of each mode). serviceEndpoints: nodes have no public address and use a NAT gateway. private: storage, Batch and registry are reached by private endpoints only.')
param network networkMode = 'serviceEndpoints'

@description('Optional. IP addresses and ranges (203.0.113.7, 203.0.113.0/24) that may reach the data account over the internet with Entra ID or a SAS, or any. Empty: no access from the internet, not even for the owner.')
param uploadFrom string[] = []

@description('Optional. IP addresses and ranges that may reach the ops account (runs, logs, queues, scripts) over the internet with Entra ID. Empty: no access from the internet, not even for the operator.')
param operateFrom string[] = []

@description('Optional. Users and groups who may write input and triggers and read output.')
param uploaders person[] = []

@description('Optional. Object id of the operator; empty for none.')
param operatorPrincipalId string = ''

@description('Optional. Type of the operator. A deployment pipeline is a ServicePrincipal.')
param operatorPrincipalType 'User' | 'Group' | 'ServicePrincipal' = 'User'

@description('Optional. Size, image and scaling of the GPU pool.')
param pool poolOptions = {}

@description('Optional. How tasks read frames. none: with the SDK. blobfuse, nfs: every node mounts the containers input and work. nfs gives the data account a hierarchical namespace, which cannot be changed later.')
param mounts mountKind = 'none'

@description('Optional. Tag of the node image in the registry.')
param nodeImageTag string = '1'

@description('Optional. Limits of the app.')
param limits runLimits = {}

@description('Optional. Prices that override the defaults in the code, as JSON (docs/cost.md); empty for none.')
param prices string = ''

@description('Optional. The only programs in the container scripts that triggers may name, as JSON (docs/scorers.md); empty for the list of impasto scorer allow.')
param allowedPrograms string = ''

@description('Optional. Let browsers upload to the container input, by short-lived URLs that the app signs (docs/security.md).')
param browserUploads bool = false

@description('Optional. Client id of an Entra app registration with which people sign in to the web page; empty: they enter the function key (docs/page.md).')
param signIn string = ''

@description('Optional. Days after which frames and segments are deleted.')
@minValue(1)
@maxValue(365)
param workRetentionDays int = 14

@description('Optional. Customer-managed key for both storage accounts; null for keys managed by Microsoft.')
param customerKey customerKeySettings?

@description('Optional. Log every read and write of the data account. A run of 15,000 frames adds about 60,000 lines.')
param auditData bool = false

@description('Optional. Mail addresses for alerts and the budget.')
param alertEmails string[] = []

@description('Optional. Monthly budget in the currency of the subscription; 0 for none.')
@minValue(0)
param monthlyBudget int = 0

@description('Optional. First day of the budget, the first of a month; empty for the current month. Pass the same day in later deployments, because it cannot be changed.')
param budgetStart string = ''

@description('Optional. Do not set: the first day of the current month, which is known only as the default of a parameter.')
param currentMonth string = utcNow('yyyy-MM-01')

@description('Optional. Instances of the HTTP functions and of the blob trigger that always run; they shorten cold starts and cost money at rest.')
@minValue(0)
param alwaysReady int = 0

@description('Optional. Maximum number of instances of each of the nine scale groups (HTTP, blob trigger, each queue and timer function). It limits the cost of a flood of messages.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

// Joining streams a video in blocks of a few MiB; 2 GB are enough for several joins at a time.
@description('Optional. Memory of an instance of the app in MB.')
param instanceMemoryMB 2048 | 4096 = 2048

@description('Optional. Tags of every resource.')
param tags tagSet = {}

var token = take(uniqueString(subscription().id, resourceGroup().id, environmentName), 8)
// Some resource names are limited to 24 characters plus a prefix; azd environment names are up to 64 long.
var prefix = length(environmentName) <= 20 ? environmentName : '${take(environmentName, 12)}${token}'
var allTags = union(tags, { 'azd-env-name': environmentName })
var fromAnywhere = contains(uploadFrom, 'any')
var checkedNetwork = network == 'private' && fromAnywhere
  ? fail('uploadFrom "any" contradicts network "private". List IP ranges, or choose network "serviceEndpoints".')
  : network
var checkedMounts = mounts == 'nfs' && (network == 'public' || fromAnywhere)
  ? fail('mounts "nfs" has no authentication besides the network. Choose network "serviceEndpoints" or "private", and remove "any" from uploadFrom.')
  : mounts

// Names are computed here and not taken from module outputs, so that what-if and snapshots know every resource id.
var functionsName = 'func-${prefix}-${token}'
var dataAccountName = 'stdata${token}'
var opsAccountName = 'stops${token}'
var batchAccountName = 'ba${token}'
var registryName = 'cr${token}'
var vnetName = 'vnet-${prefix}'
var insightsName = 'appi-${prefix}'
var appIdentityName = 'id-${prefix}-app'
var poolIdentityName = 'id-${prefix}-pool'
var topicName = 'evgt-${prefix}'
var title = 'Impasto ${environmentName}'
var subnetNames = checkedNetwork == 'private' ? [] : ['functions', 'batch']

module identities 'modules/identities.bicep' = {
  params: {
    location: location
    tags: allTags
    appIdentityName: appIdentityName
    poolIdentityName: poolIdentityName
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: prefix
    insightsName: insightsName
    alertEmails: alertEmails
  }
}

module vnet 'modules/network.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: prefix
    name: vnetName
    mode: checkedNetwork
  }
}

module data 'modules/storage.bicep' = {
  params: {
    name: dataAccountName
    location: location
    tags: allTags
    containers: ['input', 'triggers', 'work', 'output']
    deleteRules: [{ container: 'work', days: workRetentionDays }]
    vnetName: vnetName
    subnetNames: subnetNames
    allowFrom: uploadFrom
    corsOrigins: browserUploads ? ['https://${functionsName}.azurewebsites.net'] : []
    nfs: checkedMounts == 'nfs'
    customerKey: customerKey
    workspaceId: monitoring.outputs.workspaceId
    blobLogs: auditData ? ['StorageRead', 'StorageWrite', 'StorageDelete'] : ['StorageDelete']
  }
  dependsOn: [
    vnet
  ]
}

module ops 'modules/storage.bicep' = {
  params: {
    name: opsAccountName
    location: location
    tags: allTags
    containers: ['runs', 'hashes', 'logs', 'scripts', 'app-package', 'deadletter']
    queues: [
      'frame-batches'
      'finished-batches'
      'frame-batches-poison'
      'finished-batches-poison'
      'webjobs-blobtrigger-poison'
    ]
    deleteRules: [
      { container: 'logs', days: 90 }
      { container: 'runs', days: 365 }
      { container: 'hashes', days: 365 }
      { container: 'deadletter', days: 90 }
    ]
    vnetName: vnetName
    subnetNames: subnetNames
    allowFrom: operateFrom
    customerKey: customerKey
    workspaceId: monitoring.outputs.workspaceId
    blobLogs: ['StorageDelete']
  }
  dependsOn: [
    vnet
  ]
}

module registry 'modules/registry.bicep' = {
  params: {
    name: registryName
    location: location
    tags: allTags
    isPrivate: checkedNetwork == 'private'
  }
}

module batch 'modules/batch.bicep' = {
  params: {
    name: batchAccountName
    location: location
    tags: allTags
    pool: pool
    mounts: checkedMounts
    mode: checkedNetwork
    poolIdentityId: identities.outputs.pool.id
    subnetId: vnet.outputs.batchSubnetId
    registryServer: registry.outputs.loginServer
    dataAccountName: dataAccountName
    workspaceId: monitoring.outputs.workspaceId
  }
}

module functions 'modules/functions.bicep' = {
  params: {
    name: functionsName
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
    poolTasks: max(pool.?maxSpotNodes ?? 4, pool.?maxDedicatedNodes ?? 2) * (pool.?taskSlotsPerNode ?? 1)
    nodeImage: '${registry.outputs.loginServer}/impasto-node:${nodeImageTag}'
    storageMode: checkedMounts == 'none' ? 'sdk' : 'mount'
    limits: limits
    prices: prices
    allowedPrograms: allowedPrograms
    browserUploads: browserUploads
    signIn: signIn
    monthlyBudget: monthlyBudget
    alwaysReady: alwaysReady
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
  }
}

module topic 'modules/events.bicep' = {
  params: {
    name: topicName
    location: location
    tags: allTags
    dataAccountName: dataAccountName
  }
  dependsOn: [
    data
  ]
}

module roles 'modules/roles.bicep' = {
  params: {
    dataAccountName: dataAccountName
    opsAccountName: opsAccountName
    batchAccountName: batchAccountName
    registryName: registryName
    insightsName: insightsName
    appIdentityName: appIdentityName
    poolIdentityName: poolIdentityName
    topicName: topicName
    appPrincipalId: identities.outputs.app.principalId
    poolPrincipalId: identities.outputs.pool.principalId
    topicPrincipalId: topic.outputs.principalId
    browserUploads: browserUploads
    uploaders: uploaders
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
  dependsOn: [
    batch
    data
    monitoring
    ops
    registry
  ]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: location
    tags: allTags
    prefix: prefix
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: monitoring.outputs.actionGroupId
    batchAccountId: batch.outputs.id
    alertEmails: alertEmails
    monthlyBudget: monthlyBudget
    budgetStart: empty(budgetStart) ? currentMonth : budgetStart
    minNodes: pool.?minNodes ?? 0
  }
}

module workbook 'modules/workbook.bicep' = {
  params: {
    location: location
    tags: allTags
    title: title
    workspaceId: monitoring.outputs.workspaceId
    batchAccountId: batch.outputs.id
  }
}

module dashboard 'modules/dashboard.bicep' = {
  params: {
    name: 'dash-${token}'
    location: location
    tags: allTags
    title: title
    workspaceId: monitoring.outputs.workspaceId
    batchAccountId: batch.outputs.id
    workbookId: workbook.outputs.id
  }
}

module endpoints 'modules/endpoints.bicep' = if (checkedNetwork == 'private') {
  params: {
    location: location
    tags: allTags
    vnetId: vnet.outputs.vnetId
    subnetId: vnet.outputs.endpointsSubnetId
    targets: [
      {
        name: 'data-blob'
        resourceType: 'Microsoft.Storage/storageAccounts'
        resourceName: dataAccountName
        group: 'blob'
        zone: 'blob'
      }
      {
        name: 'ops-blob'
        resourceType: 'Microsoft.Storage/storageAccounts'
        resourceName: opsAccountName
        group: 'blob'
        zone: 'blob'
      }
      {
        name: 'ops-queue'
        resourceType: 'Microsoft.Storage/storageAccounts'
        resourceName: opsAccountName
        group: 'queue'
        zone: 'queue'
      }
      {
        name: 'ops-table'
        resourceType: 'Microsoft.Storage/storageAccounts'
        resourceName: opsAccountName
        group: 'table'
        zone: 'table'
      }
      {
        name: 'batch-account'
        resourceType: 'Microsoft.Batch/batchAccounts'
        resourceName: batchAccountName
        group: 'batchAccount'
        zone: 'batch'
      }
      {
        name: 'batch-nodes'
        resourceType: 'Microsoft.Batch/batchAccounts'
        resourceName: batchAccountName
        group: 'nodeManagement'
        zone: 'batch'
      }
      {
        name: 'registry'
        resourceType: 'Microsoft.ContainerRegistry/registries'
        resourceName: registryName
        group: 'registry'
        zone: 'registry'
      }
    ]
  }
  dependsOn: [
    batch
    data
    ops
    registry
  ]
}

@description('Name of the Function App.')
output AZURE_FUNCTION_APP_NAME string = functions.outputs.name

@description('Base URL of the HTTP functions, without a key.')
output IMPASTO_API string = 'https://${functions.outputs.hostName}/api'

@description('How nodes and accounts are reached, for the scripts.')
output IMPASTO_NETWORK string = checkedNetwork

@description('Name of the registry, for az acr build.')
output AZURE_CONTAINER_REGISTRY_NAME string = registryName

@description('Name of the Event Grid topic, for blobtrigger.bicep.')
output EVENT_TOPIC_NAME string = topicName

@description('Address of the workbook in the portal.')
output IMPASTO_WORKBOOK string = '${environment().portal}/#@/resource${workbook.outputs.id}/workbook'

@description('Name of the Batch account, for az batch.')
output AZURE_BATCH_ACCOUNT_NAME string = batchAccountName

@description('App setting of the same name.')
output BATCH_ENDPOINT string = batch.outputs.endpoint

@description('App setting of the same name.')
output BATCH_POOL_ID string = batch.outputs.poolName

@description('App setting of the same name.')
output NODE_IMAGE string = '${registry.outputs.loginServer}/impasto-node:${nodeImageTag}'

@description('App setting of the same name; the only setting that python -m frame_tools needs.')
output DATA__blobServiceUri string = data.outputs.blobUri

@description('App setting of the same name.')
output OPS__blobServiceUri string = ops.outputs.blobUri

@description('App setting of the same name.')
output OPS__queueServiceUri string = ops.outputs.queueUri
