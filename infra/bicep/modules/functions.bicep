metadata description = 'The Function App on Flex Consumption and its settings.'

import { identityIds, runLimits, tagSet } from '../types.bicep'

@description('Required. Name of the app.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Identity of the app.')
param app identityIds

@description('Required. Identity of the nodes, which the app names in tasks.')
param pool identityIds

@description('Required. Blob endpoint of the data account.')
param dataBlobUri string

@description('Required. Blob endpoint of the ops account.')
param opsBlobUri string

@description('Required. Queue endpoint of the ops account.')
param opsQueueUri string

@description('Required. Table endpoint of the ops account.')
param opsTableUri string

@description('Required. Resource id of the subnet of the app.')
param subnetId string

@description('Required. Connection string of Application Insights.')
param insightsConnectionString string

@description('Required. URL of the Batch account.')
param batchEndpoint string

@description('Required. Id of the pool.')
param batchPoolId string

@description('Required. Tasks that the pool can execute at once.')
param poolTasks int

@description('Required. Container image of the tasks.')
param nodeImage string

@description('Required. How tasks read frames.')
param storageMode 'sdk' | 'mount'

@description('Required. Limits of the app.')
param limits runLimits

@description('Required. Prices that override the defaults in the code, as JSON; empty for none.')
param prices string

@description('Required. Programs that triggers may name, as JSON; empty for none.')
param allowedPrograms string

@description('Required. Whether the app signs URLs for uploads.')
param browserUploads bool

@description('Required. Client id of the app registration for signing in to the web page; empty for none.')
param signIn string

@description('Required. Monthly budget that the web page shows; 0 for none.')
param monthlyBudget int

// Each of the nine scale groups (HTTP, blob trigger, every queue and timer function) has this limit for itself, and an
// instance of a queue function takes 8 messages at a time (host.json). The limit caps the cost of a flood of messages.
@description('Required. Maximum number of instances of each scale group.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int

@description('Required. Memory of an instance in MB.')
param instanceMemoryMB 2048 | 4096

// A status request reads tens of small blobs; more concurrent requests on one instance only wait for each other.
@description('Optional. Concurrent HTTP requests on one instance.')
param httpConcurrency int = 16

@description('Required. Instances of the HTTP functions and of the blob trigger that always run; 0 for none.')
param alwaysReady int

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
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

resource site 'Microsoft.Web/sites@2025-03-01' = {
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
        alwaysReady: alwaysReady == 0
          ? []
          : [
              { name: 'http', instanceCount: alwaysReady }
              { name: 'blob', instanceCount: alwaysReady }
            ]
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

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__blobServiceUri: opsBlobUri
    AzureWebJobsStorage__queueServiceUri: opsQueueUri
    AzureWebJobsStorage__tableServiceUri: opsTableUri
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: app.clientId
    DATA__blobServiceUri: dataBlobUri
    // The host reports poison trigger files to the queue service of the connection DATA. The data account has no
    // queues, so this is the queue service of the ops account, where the app reads them.
    DATA__queueServiceUri: opsQueueUri
    DATA__credential: 'managedidentity'
    DATA__clientId: app.clientId
    OPS__blobServiceUri: opsBlobUri
    OPS__queueServiceUri: opsQueueUri
    OPS__credential: 'managedidentity'
    OPS__clientId: app.clientId
    AZURE_CLIENT_ID: app.clientId
    // The host accepts 100 MB and keeps each body in memory; ours have at most 64 KB.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '1048576'
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${app.clientId};Authorization=AAD'
    // Threads of the worker for the app's functions. The host passes an instance at most 12 messages of each queue, 4
    // blobs, a timer and 16 requests at once (host.json, httpConcurrency): 81 in all. With fewer threads calls would wait
    // inside the worker while their timeout runs; the host's own default of 1000 would let a flood use up the memory.
    PYTHON_THREADPOOL_THREAD_COUNT: '100'
    TRIGGER_SOURCE: 'EventGrid'
    SWEEP_SCHEDULE: limits.?sweepSchedule ?? '0 */2 * * * *'
    BATCH_ENDPOINT: batchEndpoint
    BATCH_POOL_ID: batchPoolId
    BATCH_POOL_IDENTITY: pool.id
    NODE_CLIENT_ID: pool.clientId
    NODE_IMAGE: nodeImage
    STORAGE_MODE: storageMode
    SWEEP_GRACE_SECONDS: string(limits.?sweepGraceSeconds ?? 120)
    // Of all batches of a run a task takes as many neighbors as leave work for the whole pool.
    POOL_TASKS: string(max(poolTasks, 1))
    MAX_OPEN_RUNS: string(limits.?maxOpenRuns ?? 20)
    MAX_FRAMES: string(limits.?maxFrames ?? 200000)
    MAX_FRAME_PIXELS: string(limits.?maxFramePixels ?? 33177600)
    MAX_STYLE_BYTES: string(limits.?maxStyleBytes ?? 52428800)
    MAX_TASK_RETRIES: string(limits.?maxTaskRetries ?? 2)
    SWEEP_RETRIES: string(limits.?sweepRetries ?? 1)
    TASK_MINUTES: string(limits.?taskMinutes ?? 60)
    RUN_HOURS: string(limits.?runHours ?? 48)
    JOIN_IN_FUNCTION_BYTES: string(limits.?joinInFunctionBytes ?? 2147483648)
    PRICES: prices
    ALLOWED_PROGRAMS: allowedPrograms
    BROWSER_UPLOADS: string(browserUploads)
    MONTHLY_BUDGET_USD: string(monthlyBudget)
    PAGE_SIGN_IN: empty(signIn) ? 'key' : 'entra'
  }
}

// App Service authentication for the web page. Event Grid's webhooks and the API keep their own keys: without the
// exclusions no event would arrive, and no program could call the API.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = if (!empty(signIn)) {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'RedirectToLoginPage'
      redirectToProvider: 'azureactivedirectory'
      excludedPaths: ['/runtime/webhooks/*', '/api/*', '/admin/*', '/ui/assets/*']
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signIn
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [signIn, 'api://${signIn}']
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

resource ftpPolicy 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPolicy 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
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
