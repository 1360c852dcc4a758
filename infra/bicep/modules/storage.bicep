metadata description = 'A storage account without keys and public blobs, closed to all networks that are not listed.'

import { customerKeySettings, deleteRule, tagSet } from '../types.bicep'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Containers to create.')
param containers string[]

@description('Optional. Queues to create.')
param queues string[] = []

@description('Required. Lifecycle rules.')
param deleteRules deleteRule[]

@description('Required. Name of the virtual network of the subnets.')
param vnetName string

@description('Required. Names of the subnets with access by service endpoint; empty with private endpoints.')
param subnetNames string[]

@description('Optional. IP addresses and ranges with access over the internet, or any; empty for none.')
param allowFrom string[] = []

@description('Optional. Origins of web pages that may upload to the account.')
param corsOrigins string[] = []

@description('Optional. Enable NFS 3 and the hierarchical namespace; cannot be changed later.')
param nfs bool = false

@description('Optional. Customer-managed key; null for keys managed by Microsoft.')
param customerKey customerKeySettings?

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Log categories of the blob service.')
param blobLogs string[]

@description('Optional. Days during which deleted blobs and containers can be restored. They are billed until then.')
param softDeleteDays int = 7

var fromAnywhere = contains(allowFrom, 'any')
var isReachable = !empty(subnetNames) || !empty(allowFrom)
var services = {
  blob: {
    enabled: true
    keyType: 'Account'
  }
  queue: {
    enabled: true
    keyType: 'Account'
  }
  table: {
    enabled: true
    keyType: 'Account'
  }
}
var customerEncryption = {
  keySource: 'Microsoft.Keyvault'
  keyvaultproperties: {
    keyvaulturi: customerKey.?vaultUri
    keyname: customerKey.?keyName
  }
  identity: {
    userAssignedIdentity: customerKey.?identityId
  }
  requireInfrastructureEncryption: true
  services: services
}
var platformEncryption = {
  keySource: 'Microsoft.Storage'
  requireInfrastructureEncryption: true
  services: services
}

resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: vnetName
}

resource subnets 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = [
  for name in subnetNames: {
    parent: vnet
    name: name
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  identity: customerKey == null
    ? { type: 'None' }
    : {
        type: 'UserAssigned'
        userAssignedIdentities: {
          '${customerKey!.identityId}': {}
        }
      }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    isHnsEnabled: nfs
    isLocalUserEnabled: false
    isNfsV3Enabled: nfs
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: isReachable ? 'Enabled' : 'Disabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // Event Grid writes dead letters and the platform writes logs as trusted services.
      bypass: 'AzureServices'
      defaultAction: fromAnywhere ? 'Allow' : 'Deny'
      ipRules: [
        for range in (fromAnywhere ? [] : allowFrom): {
          value: range
          action: 'Allow'
        }
      ]
      virtualNetworkRules: [
        for (name, i) in subnetNames: {
          id: subnets[i].id
          action: 'Allow'
        }
      ]
    }
    encryption: customerKey == null ? platformEncryption : customerEncryption
    sasPolicy: {
      sasExpirationPeriod: '1.00:00:00'
      expirationAction: 'Block'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    cors: {
      corsRules: empty(corsOrigins)
        ? []
        : [
            {
              allowedOrigins: corsOrigins
              allowedMethods: ['GET', 'HEAD', 'PUT']
              allowedHeaders: ['content-type', 'x-ms-*']
              exposedHeaders: ['etag', 'x-ms-*']
              maxAgeInSeconds: 3600
            }
          ]
    }
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for container in containers: {
    parent: blobService
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = if (!empty(queues)) {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in queues: {
    parent: queueService
    name: queue
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        for rule in deleteRules: {
          name: 'delete-${rule.container}'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['${rule.container}/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: rule.days
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [
    blobService
  ]
}

#disable-next-line use-recent-api-versions // the newest version that has metrics and category groups
resource blobService_logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in blobLogs: {
        category: category
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

#disable-next-line use-recent-api-versions // the newest version that has metrics and category groups
resource queueService_logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(queues)) {
  scope: queueService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        // Writes only: the host polls each queue every few seconds, and those reads would fill the workspace.
        category: 'StorageWrite'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

@description('Blob endpoint without a trailing slash.')
output blobUri string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('Queue endpoint without a trailing slash.')
output queueUri string = 'https://${account.name}.queue.${environment().suffixes.storage}'

@description('Table endpoint without a trailing slash.')
output tableUri string = 'https://${account.name}.table.${environment().suffixes.storage}'
