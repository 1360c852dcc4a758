metadata description = 'The Function App on Flex Consumption, and its settings.'

import { identityIds, runLimits, tagSet } from '../types.bicep'

@description('Required. Name of the app.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. The app\'s identity.')
param app identityIds

@description('Required. The nodes\' identity, which the app hands to tasks by name.')
param pool identityIds

@description('Required. Blob endpoint of the data account.')
param dataBlobUri string

@description('Required. Blob endpoint of the ops account.')
param opsBlobUri string

@description('Required. Queue endpoint of the ops account.')
param opsQueueUri string

@description('Required. Table endpoint of the ops account.')
param opsTableUri string

@description('Required. Subnet of the app.')
param subnetId string

@description('Required. Connection string of Application Insights.')
param insightsConnectionString string

@description('Required. URL of the Batch account.')
param batchEndpoint string

@description('Required. Id of the pool.')
param batchPoolId string

@description('Required. Container image of the tasks.')
param nodeImage string

@description('Required. How tasks read frames.')
param storageMode 'sdk' | 'mount'

@description('Required. What the app allows.')
param limits runLimits

@description('Required. Price table as JSON, over the code\'s own; empty for those.')
param prices string

@description('Required. Programs that triggers may name, as JSON; empty for none.')
param allowedPrograms string

// On purpose: each queue function scales by itself and takes 8 messages at a time (host.json), so 40 instances are far
// more than runs allowed at once can feed; the number caps what a flood of messages could cost.
@description('Optional. Most instances of each function.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

// Joining streams a video through one process in blocks of some MiB; 2 GB is room for several at once.
@description('Optional. Memory of an instance in MB.')
@allowed([
  2048
  4096
])
param instanceMemoryMB int = 2048

// Status requests read tens of small blobs each; more at once on one instance would only queue behind each other.
@description('Optional. HTTP requests at once on one instance.')
param httpConcurrency int = 16

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'functions' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${app.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${opsBlobUri}/app-package'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: app.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }
}

resource site_settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__blobServiceUri: opsBlobUri
    AzureWebJobsStorage__queueServiceUri: opsQueueUri
    AzureWebJobsStorage__tableServiceUri: opsTableUri
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: app.clientId
    DATA__blobServiceUri: dataBlobUri
    // The host writes poisoned trigger files to the queue service of the trigger's connection; the data account has
    // no queues, so that is the ops account's, where the app listens for them.
    DATA__queueServiceUri: opsQueueUri
    DATA__credential: 'managedidentity'
    DATA__clientId: app.clientId
    OPS__blobServiceUri: opsBlobUri
    OPS__queueServiceUri: opsQueueUri
    OPS__credential: 'managedidentity'
    OPS__clientId: app.clientId
    AZURE_CLIENT_ID: app.clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${app.clientId};Authorization=AAD'
    TRIGGER_SOURCE: 'EventGrid'
    SWEEP_SCHEDULE: limits.sweepSchedule
    BATCH_ENDPOINT: batchEndpoint
    BATCH_POOL_ID: batchPoolId
    BATCH_POOL_IDENTITY: pool.id
    NODE_CLIENT_ID: pool.clientId
    NODE_IMAGE: nodeImage
    STORAGE_MODE: storageMode
    SWEEP_GRACE_SECONDS: string(limits.sweepGraceSeconds)
    MAX_OPEN_RUNS: string(limits.maxOpenRuns)
    MAX_FRAMES: string(limits.maxFrames)
    MAX_FRAME_PIXELS: string(limits.maxFramePixels)
    MAX_STYLE_BYTES: string(limits.maxStyleBytes)
    MAX_TASK_RETRIES: string(limits.maxTaskRetries)
    SWEEP_RETRIES: string(limits.sweepRetries)
    TASK_MINUTES: string(limits.taskMinutes)
    RUN_HOURS: string(limits.runHours)
    JOIN_IN_FUNCTION_BYTES: string(limits.joinInFunctionBytes)
    PRICES: prices
    ALLOWED_PROGRAMS: allowedPrograms
  }
}

resource site_noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource site_noPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

@description('Name of the app.')
output name string = site.name

@description('Host name of the app.')
output hostName string = site.properties.defaultHostName
