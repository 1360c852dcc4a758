// One node always runs and up to four serve a burst: runs start at once, and the pool costs money at rest.
using '../main.bicep'

param environmentName = 'warm'
param pool = {
  vmSize: 'Standard_NV36ads_A10_v5'
  maxSpotNodes: 0
  maxDedicatedNodes: 4
  minNodes: 1
  warmMinutes: 60
  ubuntuRelease: '2204'
  gpuDriver: 'extension'
}
param alwaysReady = 1
