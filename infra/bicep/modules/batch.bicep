metadata description = 'The Batch account without keys, and its pool of GPU nodes, which scales from zero.'

import { mountKind, networkMode, poolOptions, tagSet } from '../types.bicep'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Size, image and scaling of the pool.')
param pool poolOptions

@description('Required. How every node mounts the containers that hold frames.')
param mounts mountKind

@description('Required. How nodes reach the internet.')
param mode networkMode

@description('Required. Resource id of the identity of the nodes.')
param poolIdentityId string

@description('Required. Resource id of the subnet of the nodes.')
param subnetId string

@description('Required. Host name of the registry of the node image.')
param registryServer string

@description('Required. Name of the data account, whose containers can be mounted.')
param dataAccountName string

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

var warmMinutes = pool.?warmMinutes ?? 15
var ubuntuRelease = pool.?ubuntuRelease ?? '2404'
var formulaValues = [
  { name: '__MAX_SPOT__', value: pool.?maxSpotNodes ?? 4 }
  { name: '__MAX_DEDICATED__', value: pool.?maxDedicatedNodes ?? 2 }
  { name: '__MIN_NODES__', value: pool.?minNodes ?? 0 }
  { name: '__WARM_NODES__', value: warmMinutes > 0 ? 1 : 0 }
  { name: '__WARM_MINUTES__', value: max(warmMinutes, 5) }
]
var formula = reduce(
  formulaValues,
  loadTextContent('autoscale.txt'),
  (text, next) => replace(text, next.name, string(next.value))
)

var driverExtension = {
  name: 'nvidia'
  publisher: 'Microsoft.HpcCompute'
  type: 'NvidiaGpuDriverLinux'
  typeHandlerVersion: '1.9'
  autoUpgradeMinorVersion: true
  enableAutomaticUpgrade: false
  settings: {}
}

var blobHost = '${dataAccountName}.blob.${environment().suffixes.storage}'
// Tasks expect a folder with the name of the container. They only read there.
var mountedContainers = ['input', 'work']
// allow_other: root mounts, and tasks run as another user. A missing file may appear a moment later
// (negative_timeout=0), and a frame that is uploaded again becomes visible after two minutes.
var blobfuseOptions = '-o ro -o allow_other -o attr_timeout=120 -o entry_timeout=120 -o negative_timeout=0 --file-cache-timeout-in-seconds=120'
var blobfuseMounts = [
  for container in mountedContainers: {
    azureBlobFileSystemConfiguration: {
      accountName: dataAccountName
      containerName: container
      relativeMountPath: container
      blobfuseOptions: blobfuseOptions
      identityReference: {
        resourceId: poolIdentityId
      }
    }
  }
]
var nfsMounts = [
  for container in mountedContainers: {
    nfsMountConfiguration: {
      source: '${blobHost}:/${dataAccountName}/${container}'
      relativeMountPath: container
      mountOptions: '-o sec=sys,vers=3,nolock,proto=tcp,ro,nosuid,nodev'
    }
  }
]
var mountConfigurations = {
  none: []
  blobfuse: blobfuseMounts
  nfs: nfsMounts
}

resource account 'Microsoft.Batch/batchAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    poolAllocationMode: 'BatchService'
    // Without SharedKey the account has no keys.
    allowedAuthenticationModes: ['AAD']
    publicNetworkAccess: mode == 'private' ? 'Disabled' : 'Enabled'
    encryption: {
      keySource: 'Microsoft.Batch'
    }
  }
}

resource gpuPool 'Microsoft.Batch/batchAccounts/pools@2025-06-01' = {
  parent: account
  name: 'gpu'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${poolIdentityId}': {}
    }
  }
  properties: {
    displayName: 'GPU nodes'
    vmSize: pool.?vmSize ?? 'Standard_NC4as_T4_v3'
    taskSlotsPerNode: pool.?taskSlotsPerNode ?? 1
    // Pack fills one node before the next, so that idle nodes can be removed.
    taskSchedulingPolicy: {
      nodeFillType: 'Pack'
    }
    interNodeCommunication: 'Disabled'
    deploymentConfiguration: {
      virtualMachineConfiguration: {
        imageReference: {
          publisher: 'microsoft-dsvm'
          offer: 'ubuntu-hpc'
          sku: ubuntuRelease
          version: pool.?imageVersion ?? 'latest'
        }
        nodeAgentSkuId: 'batch.node.ubuntu ${take(ubuntuRelease, 2)}.${substring(ubuntuRelease, 2, 2)}'
        // No containerImageNames: a task pulls the image that it names, so a new image does not need a new pool.
        containerConfiguration: {
          type: 'DockerCompatible'
          containerRegistries: [
            {
              registryServer: registryServer
              identityReference: {
                resourceId: poolIdentityId
              }
            }
          ]
        }
        extensions: pool.?gpuDriver == 'extension' ? [driverExtension] : []
        // Docker keeps the layers of the image (about 10 GB with torch) on this disk.
        osDisk: {
          caching: 'ReadOnly'
          diskSizeGB: 256
          managedDisk: {
            storageAccountType: 'StandardSSD_LRS'
          }
        }
        securityProfile: {
          encryptionAtHost: pool.?encryptionAtHost ?? false
        }
        nodePlacementConfiguration: {
          policy: 'Regional'
        }
      }
    }
    mountConfiguration: mountConfigurations[mounts]
    networkConfiguration: {
      subnetId: subnetId
      dynamicVnetAssignmentScope: 'none'
      publicIPAddressConfiguration: {
        provision: mode == 'public' ? 'BatchManaged' : 'NoPublicIPAddresses'
      }
    }
    scaleSettings: {
      autoScale: {
        evaluationInterval: 'PT5M'
        formula: formula
      }
    }
    // A node without a working GPU gets no task: its start task fails, and an alert fires.
    startTask: {
      commandLine: '/bin/bash -c "nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv"'
      waitForSuccess: true
      maxTaskRetryCount: 2
      userIdentity: {
        autoUser: {
          scope: 'Pool'
          elevationLevel: 'NonAdmin'
        }
      }
    }
  }
}

#disable-next-line use-recent-api-versions // the newest version that has metrics and category groups
resource account_logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the account.')
output id string = account.id

@description('URL of the account.')
output endpoint string = 'https://${account.properties.accountEndpoint}'

@description('Id of the pool.')
output poolName string = gpuPool.name
