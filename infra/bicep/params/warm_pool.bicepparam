// One node is always there, and a burst finds more: runs start at once, and the pool costs day and night.
using '../main.bicep'

param environmentName = 'warm'
param pool = {
  vmSize: 'Standard_NV36ads_A10_v5'
  maxSpotNodes: 0
  maxDedicatedNodes: 4
  minNodes: 1
  taskSlotsPerNode: 1
  warmMinutes: 60
  ubuntuRelease: '2204'
  imageVersion: 'latest'
  gpuDriver: 'extension'
  encryptionAtHost: false
}
