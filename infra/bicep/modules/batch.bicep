metadata description = 'The Batch account, without keys, and its pool of GPU nodes that starts from zero.'

import { mountKind, networkMode, poolSettings, tagSet } from '../types.bicep'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Size, image and scaling of the pool.')
param pool poolSettings

@description('Required. How every node mounts the containers that hold frames.')
param mounts mountKind

@description('Required. How nodes reach the world.')
param mode networkMode

@description('Required. Resource id of the nodes\' identity.')
param poolIdentityId string

@description('Required. Subnet of the nodes.')
param subnetId string

@description('Required. Registry that holds the node image.')
param registryServer string

@description('Required. Account whose containers can be mounted.')
param dataAccountName string

@description('Required. Log Analytics workspace.')
param workspaceId string

var formulaText = loadTextContent('autoscale.txt')
var formulaWithSpot = replace(formulaText, '__MAX_SPOT__', string(pool.maxSpotNodes))
var formulaWithMost = replace(formulaWithSpot, '__MAX_DEDICATED__', string(pool.maxDedicatedNodes))
var formulaWithLeast = replace(formulaWithMost, '__MIN_NODES__', string(pool.minNodes))
var formulaWithWarm = replace(formulaWithLeast, '__WARM_NODES__', string(pool.warmMinutes > 0 ? 1 : 0))
var formula = replace(formulaWithWarm, '__WARM_MINUTES__', string(max(pool.warmMinutes, 5)))

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
// Tasks look for a folder that is called like the container. Frames are read there and nothing is written.
var mountedContainers = ['input', 'work']
// allow_other: root mounts, and the image's user is another. A file that is not there yet may be there a moment later
// (negative_timeout=0), and a frame that was uploaded again is seen after two minutes.
var blobfuseOptions = '-o ro -o allow_other -o attr_timeout=120 -o entry_timeout=120 -o negative_timeout=0 --file-cache-timeout-in-seconds=120'
var blobfuseMounts = [for container in mountedContainers: {
  azureBlobFileSystemConfiguration: {
    accountName: dataAccountName
    containerName: container
    relativeMountPath: container
    blobfuseOptions: blobfuseOptions
    identityReference: {
      resourceId: poolIdentityId
    }
  }
}]
var nfsMounts = [for container in mountedContainers: {
  nfsMountConfiguration: {
    source: '${blobHost}:/${dataAccountName}/${container}'
    relativeMountPath: container
    mountOptions: '-o sec=sys,vers=3,nolock,proto=tcp,ro,nosuid,nodev'
  }
}]
var mountConfigurations = {
  none: []
  blobfuse: blobfuseMounts
  nfs: nfsMounts
}

resource account 'Microsoft.Batch/batchAccounts@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    poolAllocationMode: 'BatchService'
    // Without SharedKey the account has no keys that could leak.
    allowedAuthenticationModes: ['AAD']
    publicNetworkAccess: mode == 'private' ? 'Disabled' : 'Enabled'
    encryption: {
      keySource: 'Microsoft.Batch'
    }
  }
}

resource gpuPool 'Microsoft.Batch/batchAccounts/pools@2024-07-01' = {
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
    vmSize: pool.vmSize
    taskSlotsPerNode: pool.taskSlotsPerNode
    // Pack fills a node's GPUs before the next node's, so that idle nodes can leave.
    taskSchedulingPolicy: {
      nodeFillType: 'Pack'
    }
    interNodeCommunication: 'Disabled'
    targetNodeCommunicationMode: 'Simplified'
    deploymentConfiguration: {
      virtualMachineConfiguration: {
        imageReference: {
          publisher: 'microsoft-dsvm'
          offer: 'ubuntu-hpc'
          sku: pool.ubuntuRelease
          version: pool.imageVersion
        }
        nodeAgentSkuId: 'batch.node.ubuntu ${take(pool.ubuntuRelease, 2)}.${substring(pool.ubuntuRelease, 2, 2)}'
        // No containerImageNames: a task pulls the image that it names, so a new image needs a setting, not a pool.
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
        extensions: pool.gpuDriver == 'extension' ? [driverExtension] : []
        // Docker keeps the image's layers (some 10 GB with torch) on this disk.
        osDisk: {
          caching: 'ReadOnly'
          diskSizeGB: 256
          managedDisk: {
            storageAccountType: 'StandardSSD_LRS'
          }
        }
        securityProfile: {
          encryptionAtHost: pool.encryptionAtHost
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
    // A node without a working GPU never takes a task: it stays "start task failed", and an alert tells.
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

@description('Resource id.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('URL for the SDK.')
output endpoint string = 'https://${account.properties.accountEndpoint}'

@description('Id of the pool.')
output poolName string = gpuPool.name
