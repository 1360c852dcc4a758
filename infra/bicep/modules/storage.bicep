metadata description = 'One storage account: no keys, no public blobs, closed but for what is named.'

import { customerKeySettings, deleteRule, tagSet } from '../types.bicep'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Containers to make.')
param containers string[]

@description('Optional. Queues to make.')
param queues string[] = []

@description('Required. What is deleted when.')
param deleteRules deleteRule[]

@description('Required. Virtual network of the subnets.')
param vnetName string

@description('Required. Subnets with access through their service endpoints; empty with private endpoints.')
param subnetNames string[]

@description('Optional. IP ranges that may come in over the internet, or any; empty for none.')
param allowFrom string[] = []

@description('Optional. Whether the account serves NFS 3; decided when it is made.')
param nfs bool = false

@description('Optional. A key of the person\'s own.')
param customerKey customerKeySettings?

@description('Required. Log Analytics workspace.')
param workspaceId string

@description('Required. Categories of the blob service that are logged.')
param blobLogs string[]

@description('Optional. Days in which deleted blobs and containers can be brought back; they cost until then.')
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
var ownEncryption = {
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

resource subnets 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = [for name in subnetNames: {
  parent: vnet
  name: name
}]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  identity: customerKey == null ? { type: 'None' } : {
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
      // Event Grid's dead letters and the platform's own logs come in as trusted services.
      bypass: 'AzureServices'
      defaultAction: fromAnywhere ? 'Allow' : 'Deny'
      ipRules: [for range in (fromAnywhere ? [] : allowFrom): {
        value: range
        action: 'Allow'
      }]
      virtualNetworkRules: [for (name, i) in subnetNames: {
        id: subnets[i].id
        action: 'Allow'
      }]
    }
    encryption: customerKey == null ? platformEncryption : ownEncryption
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

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for container in containers: {
  parent: blobService
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = if (!empty(queues)) {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for queue in queues: {
  parent: queueService
  name: queue
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [for rule in deleteRules: {
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
      }]
    }
  }
  dependsOn: [
    blobService
  ]
}

resource blobService_logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [for category in blobLogs: {
      category: category
      enabled: true
    }]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueService_logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(queues)) {
  scope: queueService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        // Writes only: the host asks each queue every few seconds, and those reads would fill the workspace.
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

@description('Resource id.')
output id string = account.id

@description('Name.')
output name string = account.name

@description('Blob endpoint, without a slash at its end.')
output blobUri string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('Queue endpoint, without a slash at its end.')
output queueUri string = 'https://${account.name}.queue.${environment().suffixes.storage}'

@description('Table endpoint, without a slash at its end.')
output tableUri string = 'https://${account.name}.table.${environment().suffixes.storage}'
