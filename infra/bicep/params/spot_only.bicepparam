// Spot nodes alone: the cheapest painting, for work that can wait while there are none.
using '../main.bicep'

param environmentName = 'spot'
param pool = {
  vmSize: 'Standard_NC4as_T4_v3'
  maxSpotNodes: 8
  maxDedicatedNodes: 0
  minNodes: 0
  taskSlotsPerNode: 1
  warmMinutes: 0
  ubuntuRelease: '2404'
  imageVersion: 'latest'
  gpuDriver: 'image'
  encryptionAtHost: true
}
